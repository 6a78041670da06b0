package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// written says which transaction last wrote each instance and each side node, by
// path. What a bridge writes for itself, as its fence, is left out.
func (z *znodes) written(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	folders := []string{"/isthmus/%2Fservices/bench/mirrors"}
	names, _, err := z.conn.Children("/services")
	if err != nil {
		return nil, fmt.Errorf("list ZooKeeper: %w", err)
	}
	for _, name := range names {
		folders = append(folders, "/services/"+name)
	}
	var mu sync.Mutex // guards all
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(64)
	for _, folder := range folders {
		reading.Go(func() error {
			some, err := z.below(ctx, folder)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(all, some)
			return err
		})
	}
	return all, reading.Wait()
}

// below returns by which transactions the nodes in a folder were made and last
// written.
func (z *znodes) below(ctx context.Context, folder string) (map[string]string, error) {
	all := map[string]string{}
	names, _, err := z.conn.Children(folder)
	for _, name := range names {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			break
		}
		path := strings.Join([]string{folder, name}, "/")
		there, stat, failed := z.conn.Exists(path)
		if err = failed; err == nil && there {
			all[path] = fmt.Sprintf("%d %d", stat.Czxid, stat.Mzxid)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read %q in ZooKeeper: %w", folder, err)
	}
	return all, nil
}
