// Command servers builds the servers that tests and demo use, and runs one for people to try things on.
//
//	servers build [PROGRAM...]                 build those named, or all: etcd etcdctl coredns consul kube-apiserver kube-controller-manager;
//	                                           and zookeeper, which is fetched with Curator, Java being installed as root
//	servers browser                            find Chromium, or install Debian's as root
//	servers start etcd|consul|zookeeper|kubernetes   run one until interrupted, and say how to reach it
//	servers zkcli HOST:PORT                    type at a ZooKeeper by its own client
//	servers clean                              remove what was built
//
// It must run inside the source tree. Built programs are kept in the user's cache folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

const usage = `usage: servers build [PROGRAM...]
       servers browser
       servers start [-dir DIR] [-port PORT] etcd|consul|zookeeper|kubernetes
       servers zkcli HOST:PORT
       servers clean`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "build":
		return build(ctx, args[1:])
	case len(args) > 0 && args[0] == "start":
		return start(ctx, args[1:])
	case len(args) == 1 && args[0] == "browser":
		return browser(ctx)
	case len(args) == 2 && args[0] == "zkcli":
		return zkcli(ctx, args[1])
	case len(args) == 1 && args[0] == "clean":
		return clean()
	}
	return errors.New(usage)
}

func progress(line string) { fmt.Fprintln(os.Stderr, line) }

func build(ctx context.Context, names []string) error {
	if len(names) == 0 {
		for _, p := range servers.Programs() {
			names = append(names, string(p))
		}
		names = append(names, zookeeper)
	}
	for _, name := range names {
		path, err := prepare(ctx, name)
		if err != nil {
			return err
		}
		fmt.Println(path)
	}
	return nil
}

// zookeeper is not built: it is Debian's.
const zookeeper = "zookeeper"

// prepare makes what is called name ready to start, and returns where it is.
func prepare(ctx context.Context, name string) (path string, err error) {
	if name != zookeeper {
		return servers.Build(ctx, servers.Program(name), progress)
	}
	java, err := servers.FindJava(ctx, progress)
	if err != nil {
		return "", err
	}
	return java.Folder(), nil
}

func browser(ctx context.Context) error {
	path, err := servers.Chromium(ctx, progress)
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

func zkcli(ctx context.Context, connect string) error {
	cmd, err := servers.ZooKeeperClient(ctx, connect, progress)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

func clean() error {
	folder, err := servers.Clean()
	if err != nil {
		return err
	}
	fmt.Printf("removed %s\n", folder)
	return nil
}

func start(ctx context.Context, args []string) error {
	o := servers.Options{Log: progress}
	flags := flag.NewFlagSet("servers start", flag.ContinueOnError)
	flags.StringVar(&o.Dir, "dir", "", "keep data in `DIR` (default: a temporary one)")
	flags.IntVar(&o.Port, "port", 0, "serve clients on `PORT` (default: a free one)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New(usage)
	}
	server, reach, err := begin(ctx, flags.Arg(0), o)
	if err != nil {
		return err
	}
	fmt.Print(reach)
	err = server.Wait(ctx)
	if ctx.Err() != nil {
		err = nil // interrupted, as it should be
	}
	return errors.Join(err, server.Stop())
}

// server is what start needs of one.
type server interface {
	Wait(context.Context) error
	Stop() error
}

// begin starts the server called name and tells how people reach it.
func begin(ctx context.Context, name string, o servers.Options) (s server, reach string, err error) {
	switch name {
	case "etcd":
		e, err := servers.StartEtcd(ctx, o)
		if err != nil {
			return nil, "", err
		}
		return e, fmt.Sprintf("export ETCDCTL_ENDPOINTS=%s\n# log: %s\n", e.Endpoint(), e.LogFile()), nil
	case "consul":
		c, err := servers.StartConsul(ctx, o)
		if err != nil {
			return nil, "", err
		}
		return c, fmt.Sprintf("export CONSUL_HTTP_ADDR=%s\n# web: %[1]s/ui/\n# log: %s\n", c.URL(), c.LogFile()), nil
	case zookeeper:
		z, err := servers.StartZooKeeper(ctx, servers.ZooKeeperOptions{Options: o})
		if err != nil {
			return nil, "", err
		}
		return z, fmt.Sprintf("export ZOOKEEPER=%s\n# client: servers zkcli %[1]s\n# log: %s\n", z.Address(), z.LogFile()), nil
	case "kubernetes":
		k, err := servers.StartKubernetes(ctx, servers.KubernetesOptions{Options: o, ControllerManager: true})
		if err != nil {
			return nil, "", err
		}
		return k, fmt.Sprintf("export KUBECONFIG=%s\n# %s\n# log: %s\n", k.Kubeconfig(), k.URL(), k.LogFile()), nil
	}
	return nil, "", fmt.Errorf("no server is called %q\n%s", name, usage)
}
