package server

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// lookEvery is how often files are looked at. Looking works the same for a file
// that is edited, one that another replaces, and the links that Kubernetes
// swaps; it takes a system call a file, and no watcher that could miss one.
const lookEvery = 250 * time.Millisecond

// Watch says when the configuration's file has changed, or one that it read. It
// waits until a change is over: a file that is being written is not read.
func (r *Running) Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	r.work.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		known := look(r.current.Load().config.Files())
		last := known
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := look(r.current.Load().config.Files())
			if now != known && now == last {
				known = now
				select {
				case changed <- struct{}{}:
				default: // it is known already that something has changed
				}
			}
			last = now
		}
	})
	return changed
}

// look tells two states of files apart.
func look(files []string) string {
	var b strings.Builder
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			continue
		}
		fmt.Fprintf(&b, "%s: %d %d %d %v\n", path, info.Size(), info.ModTime().UnixNano(), inode(info), info.Mode())
	}
	return b.String()
}
