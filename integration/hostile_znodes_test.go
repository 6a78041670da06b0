package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

const crowd = 10_000 // nodes below one

// comeNodes writes every name, of a service and of an instance. What ZooKeeper refuses
// itself is in nobody's way.
func (h *hostility) comeNodes() error {
	for _, name := range hostile.Names() {
		for _, path := range []string{"/services/" + name + "/a", "/services/hostile/" + name, "/services/hostile/isthmus-" + name + "-0123456789ab", "/isthmus/%2Fservices/" + name, "/isthmus/%2Fservices/hostile/mirrors/" + name} {
			if h.znodes.put(path, `{"address":"10.43.0.4"}`) == nil {
				h.written++
			}
		}
	}
	return h.refused(map[string][]string{"zookeeper/vms": {"/services/...", "/services/a b", "/services/b\u00fccher", "/isthmus/%2Fservices/hostile/mirrors/..."}})
}

// comeInstances writes every value where an instance is to be, and above instances.
func (h *hostility) comeInstances() error {
	var refused []string
	for i, v := range hostile.Instances() {
		path := fmt.Sprintf("/services/hostile-%d/a", i)
		if err := h.znodes.put(path, v.Text); err != nil {
			return err
		}
		h.written++
		if !v.Fit {
			refused = append(refused, path)
		}
	}
	return h.refused(map[string][]string{"zookeeper/vms": refused})
}

// changeInstances has the values change many times over, among them such as make of an
// instance a parent and of a parent an instance, and has some come and go with sessions.
func (h *hostility) changeInstances() error {
	values := hostile.Instances()
	for round := range 3 {
		for i := range values {
			text := values[(i+round+1)%len(values)].Text
			if err := errors.Join(h.znodes.put(fmt.Sprintf("/services/hostile-%d/a", i), text), h.znodes.put(fmt.Sprintf("/services/hostile-%d/a/b", i), text), h.znodes.put(fmt.Sprintf("/services/hostile-%d", i), text)); err != nil {
				return err
			}
			h.written += 3
		}
		if err := h.passing(values); err != nil {
			return err
		}
	}
	return nil
}

// passing has a session write values that go with it, beside a good one.
func (h *hostility) passing(values []hostile.Value) error {
	conn, _, err := zk.Connect([]string{h.ts.Getenv("ZOOKEEPER")}, 10*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := h.znodes.put("/services/hostile-passing/b", `{"address":"10.99.1.1"}`); err != nil {
		return err
	}
	for i, v := range values {
		if _, err := conn.Create(fmt.Sprintf("/services/hostile-passing/%d", i), []byte(v.Text), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
			return err
		}
		h.written++
	}
	return nil
}

// comeCrowd writes thousands of instances below one service, none of which can be
// taken. All are counted.
func (h *hostility) comeCrowd() error {
	if err := h.znodes.above("/services/hostile-crowd"); err != nil {
		return err
	}
	for from := 0; from < crowd; from += 500 {
		var ops []any
		for i := range 500 {
			ops = append(ops, &zk.CreateRequest{Path: fmt.Sprintf("/services/hostile-crowd/%d", from+i), Data: []byte(`{"address":"127.0.0.1"}`), Acl: zk.WorldACL(zk.PermAll)})
		}
		if _, err := h.znodes.Multi(ops...); err != nil {
			return err
		}
		h.written += len(ops)
	}
	return h.until("all of a crowd refused", func() error {
		text, err := request(http.MethodGet, "http://"+h.ts.Getenv("ADMIN")+"/status", "", "", nil)
		if err != nil {
			return err
		}
		var report statusReport
		if err := json.Unmarshal(text, &report); err != nil {
			return err
		}
		n := -1
		for _, o := range report.Origins {
			if o.Origin == "zookeeper/vms" {
				n = o.Refused.Count
			}
		}
		if n != crowd {
			return fmt.Errorf("%d nodes are refused, want %d", n, crowd)
		}
		return nil
	})
}

// leaveNodes removes all that is not good from ZooKeeper.
func (h *hostility) leaveNodes() error {
	names, _, err := h.znodes.Children("/services")
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "good-") })
	for _, name := range names {
		if err := h.znodes.remove("/services/" + name); err != nil {
			return err
		}
	}
	names, _, err = h.znodes.Children("/isthmus/%2Fservices")
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	for _, name := range names {
		err = errors.Join(err, h.znodes.remove("/isthmus/%2Fservices/"+name))
	}
	return err
}

// remove deletes a node and all below it.
func (z znodes) remove(path string) error {
	names, _, err := z.Children(path)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(names, 500) {
		var ops []any
		for _, name := range some {
			ops = append(ops, &zk.DeleteRequest{Path: path + "/" + name, Version: -1})
		}
		if _, err := z.Multi(ops...); err == nil {
			continue
		}
		for _, name := range some {
			if err := z.remove(path + "/" + name); err != nil {
				return err
			}
		}
	}
	return z.Delete(path, -1)
}
