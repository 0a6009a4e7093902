//go:build unix

package main

import "os"

// parent returns whether the program that started this one is still there: a
// child that is left over is given to another parent.
func parent() func() bool {
	first := os.Getppid()
	return func() bool { return os.Getppid() == first }
}
