package main

import (
	"context"
	"time"
)

// withParent returns a context that ends when the program that started this one
// does. A client that crashes closes our standard input, unless another program
// that it started has it too: then nobody would ever end us.
func withParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	there := parent()
	go func() {
		look := time.NewTicker(time.Second)
		defer look.Stop()
		for there() {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
		stop()
	}()
	return ctx, stop
}
