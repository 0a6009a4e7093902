package server

import (
	"context"
	"fmt"
	"maps"
	"os"
	"time"
)

// lookEvery is how often files are looked at. Looking works the same for a file
// that is edited, one that another replaces, and the links that Kubernetes
// swaps; it takes a system call a file, and no watcher that could miss one.
const lookEvery = 250 * time.Millisecond

// Watch says when the configuration's file has changed, or one that it read, or
// that the last refused one did. It waits until a change is over: a file that is
// being written is not read.
func (r *Running) Watch(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	r.work.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		known, last := r.seen, r.seen
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := look(r.watched())
			if maps.Equal(now, last) && differ(known, now) {
				select {
				case changed <- struct{}{}:
				default: // it is known already that something has changed
				}
				known = now
			}
			last = now
			known = join(known, now)
		}
	})
	return changed
}

// watched are the files of the configuration in force, and those that one named
// which was refused: the mistake may be in them.
func (r *Running) watched() []string {
	files := r.current.Load().config.Files()
	if tried := r.tried.Load(); tried != nil {
		files = append(files, *tried...)
	}
	return files
}

// look returns what tells two states of each file apart.
func look(files []string) map[string]string {
	all := make(map[string]string, len(files))
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			all[path] = err.Error()
			continue
		}
		all[path] = fmt.Sprintf("%d %d %d %v", info.Size(), info.ModTime().UnixNano(), inode(info), info.Mode())
	}
	return all
}

// differ says whether a file is not as it was. One that was not looked at
// before has just been read.
func differ(known, now map[string]string) bool {
	for path, state := range now {
		if before, ok := known[path]; ok && before != state {
			return true
		}
	}
	return false
}

// join adds the files that were not known.
func join(known, now map[string]string) map[string]string {
	all := maps.Clone(now)
	maps.Copy(all, known)
	return all
}
