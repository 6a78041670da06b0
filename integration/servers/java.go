package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Java runs programs in a Java virtual machine, with ZooKeeper, Curator and all that these need on the class path.
type Java struct {
	program string // path of java
	unpacked
}

// FindJava returns the machine's own Java with the libraries of ZooKeeper and Curator, which Debian packages. A development kit
// must be there, since it runs programs from their source; where none is, Debian's is installed through apt-get when this
// process runs as root. The libraries are fetched by apt-get once, checked by it, and unpacked into the cache, which needs no
// rights; nothing of them is installed, so no service of theirs starts.
//
// progress gets a line when something is fetched, one about every ten seconds of that, and one at its end, as from Build.
func FindJava(ctx context.Context, progress func(line string)) (*Java, error) {
	if progress == nil {
		progress = func(string) {}
	}
	program, err := java(ctx, os.Geteuid() == 0, progress)
	if err != nil {
		return nil, err
	}
	folder, err := cacheDir()
	if err != nil {
		return nil, err
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return nil, fmt.Errorf("servers: find out what system this is: %w", err)
	}
	u := unpacked{libraries: javaLibraries(), path: filepath.Join(folder, unpackedName(string(release), javaLibraries()))}
	if err := u.fetch(ctx, os.Geteuid() == 0, progress); err != nil {
		return nil, err
	}
	return &Java{program, u}, nil
}

// Folder returns where the libraries are.
func (j *Java) Folder() string { return j.path }

// command returns a command that runs a small program, which is worth less compiling than a server.
func (j *Java) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, j.program, append(append(j.flags(), "-XX:TieredStopAtLevel=1"), args...)...)
}

// ZooKeeperClient returns the client that ZooKeeper comes with, which its zkCli.sh starts, ready to run. connect is HOST:PORT, or
// several with commas between them.
func ZooKeeperClient(ctx context.Context, connect string, progress func(string)) (*exec.Cmd, error) {
	j, err := FindJava(ctx, progress)
	if err != nil {
		return nil, err
	}
	return j.command(ctx, "org.apache.zookeeper.ZooKeeperMain", "-waitforconnection", "-server", connect), nil
}

// TypeZooKeeper types lines at ZooKeeper's client and returns what it prints. A line that fails is no error: what is printed says so.
func TypeZooKeeper(ctx context.Context, connect string, lines ...string) (string, error) {
	cmd, err := ZooKeeperClient(ctx, connect, nil)
	if err != nil {
		return "", err
	}
	cmd.Stdin = strings.NewReader(strings.Join(append(lines, "quit"), "\n") + "\n")
	cmd.WaitDelay = grace
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError // also after a last line that failed
	if err != nil && !(errors.As(err, &failed) && bytes.Contains(out, []byte("Welcome to ZooKeeper!"))) {
		return "", fmt.Errorf("servers: type %q at zookeeper %q: %w\n%s", lines, connect, errors.Join(err, context.Cause(ctx)), out)
	}
	return string(out), nil
}

func (j *Java) flags() []string {
	return []string{
		"-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto", "-Xmx512m",
		"-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
		"-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.util.ServiceUtils=off", // which says how every program ends
		"-cp", j.classPath(),
	}
}

// java returns the path of a java that can run source files.
func java(ctx context.Context, root bool, progress func(string)) (string, error) {
	path, err := findJava()
	if err == nil {
		return path, nil
	}
	if _, missing := exec.LookPath("apt-get"); missing != nil || !root {
		return "", fmt.Errorf("%w: install one (Debian's package is called default-jdk-headless), or run this as root where there is apt-get", err)
	}
	start := time.Now()
	progress("installing Debian's package default-jdk-headless, about 1 min, once")
	if err := install(ctx, "default-jdk-headless", progress); err != nil {
		return "", fmt.Errorf("servers: install the package default-jdk-headless: %w", err)
	}
	progress(fmt.Sprintf("installed default-jdk-headless in %d s", int(time.Since(start).Seconds())))
	return findJava()
}

// findJava takes a java beside which there is a compiler: without that it runs no source files.
func findJava() (string, error) {
	path, err := exec.LookPath("java")
	if home := os.Getenv("JAVA_HOME"); home != "" {
		path, err = exec.LookPath(filepath.Join(home, "bin", "java"))
	}
	if err != nil {
		return "", fmt.Errorf("servers: find a Java development kit: %w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("servers: find a Java development kit: %w", err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(real), "javac")); err != nil {
		return "", fmt.Errorf("servers: %q is of no Java development kit: %w", path, err)
	}
	return path, nil
}

// javaLibraries are ZooKeeper, Curator's discovery and what these need to run, by the names of Debian 12: not all that the
// packages depend on, which is a web server and more.
func javaLibraries() []library {
	return []library{
		{"libzookeeper-java", []string{"zookeeper", "zookeeper-jute"}},
		{"libcurator-discovery-java", []string{"curator-x-discovery"}},
		{"libcurator-recipes-java", []string{"curator-recipes"}},
		{"libcurator-framework-java", []string{"curator-framework"}},
		{"libcurator-client-java", []string{"curator-client"}},
		{"libguava-java", []string{"guava"}},
		{"libjackson2-databind-java", []string{"jackson-databind"}},
		{"libjackson2-core-java", []string{"jackson-core"}},
		{"libjackson2-annotations-java", []string{"jackson-annotations"}},
		{"libslf4j-java", []string{"slf4j-api", "slf4j-simple"}},
		{"libdropwizard-metrics-java", []string{"metrics-core"}},
		{"libsnappy-java", []string{"snappy-java"}},
		{"libcommons-cli-java", []string{"commons-cli"}},
		{"libnetty-java", []string{"netty-common", "netty-buffer", "netty-transport", "netty-resolver", "netty-codec", "netty-handler",
			"netty-transport-native-epoll", "netty-transport-native-unix-common"}},
	}
}
