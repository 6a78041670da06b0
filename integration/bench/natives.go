package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"
)

const (
	nativeNodes     = 500 // on which they stand
	nativeInstances = 2   // of each
	nativesAtOnce   = 16  // of a transaction, which holds 128 operations
)

// native is the n-th service that users of a Consul, or of a ZooKeeper, registered.
type native int

func (n native) name() string { return fmt.Sprintf("app-%d", int(n)) }

func (n native) id(i int) string { return fmt.Sprintf("%s-%d", n.name(), i) }

func (n native) node(i int) string {
	return fmt.Sprintf("vm-%d", (int(n)*nativeInstances+i)%nativeNodes)
}

// address is that of instance i.
func (n native) address(i int) string { return podIP(int(n)*nativeInstances + i).String() }

type fields = map[string]any

// operations register n.
func (n native) operations() (all []fields) {
	for i := range nativeInstances {
		all = append(all,
			fields{"Service": fields{"Verb": "set", "Node": n.node(i), "Service": fields{
				"ID": n.id(i), "Service": n.name(), "Address": n.address(i), "Port": podPort, "Tags": []string{"v1"}}}},
			n.check(i, true))
	}
	return all
}

// check sets the health of instance i.
func (n native) check(i int, passing bool) fields {
	status := "critical"
	if passing {
		status = "passing"
	}
	return fields{"Check": fields{"Verb": "set", "Check": fields{
		"Node": n.node(i), "CheckID": "alive-" + n.id(i), "Name": "alive", "Status": status,
		"ServiceID": n.id(i), "ServiceName": n.name()}}}
}

// transact has Consul do all operations or none.
func transact(ctx context.Context, consul string, operations ...fields) error {
	body, err := json.Marshal(operations)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, consul+"/v1/txn", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("write to Consul: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	if err != nil {
		return fmt.Errorf("write to Consul: %w", err)
	}
	return nil
}

// register fills a Consul with natives.
func register(ctx context.Context, consul string, count int) error {
	var nodes []fields
	for n := range nativeNodes {
		nodes = append(nodes, fields{"Node": fields{"Verb": "set", "Node": fields{
			"Node": fmt.Sprintf("vm-%d", n), "Address": podIP(n).String()}}})
	}
	for ; len(nodes) > 0; nodes = nodes[min(len(nodes), 100):] {
		if err := transact(ctx, consul, nodes[:min(len(nodes), 100)]...); err != nil {
			return err
		}
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(8)
	for first := 0; first < count; first += nativesAtOnce {
		all.Go(func() error {
			var some []fields
			for n := first; n < min(count, first+nativesAtOnce); n++ {
				some = append(some, native(n).operations()...)
			}
			return transact(ctx, consul, some...)
		})
	}
	return all.Wait()
}
