package audit

import (
	"fmt"
	"io"
	"sync"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	e, buf := sample(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendEvent(buf[:0], e)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkWrite(b *testing.B) {
	l, err := Open(Config{Stdout: io.Discard}) // what the caller pays; a disk is slower than this
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	e := sample()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := l.Write(b.Context(), e); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkDurable(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			l, _ := start(b, nil)
			work := make(chan struct{})
			var all sync.WaitGroup
			for range writers {
				all.Go(func() {
					for range work {
						if err := l.Durable(b.Context(), sample()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			all.Wait()
		})
	}
}
