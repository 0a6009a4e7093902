package e2e

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestMain settles what is the same for all tests: that programs end as soon as
// they are done, and how many tests run at once.
func TestMain(m *testing.M) {
	flag.Parse()
	// A program with the race detector waits for a second before it exits, for
	// another goroutine to race meanwhile. The tests start a thousand of them.
	// What a developer has set counts: of two settings the last one does.
	if err := os.Setenv("GORACE", strings.TrimSpace(endsSoon+" "+os.Getenv("GORACE"))); err != nil {
		panic(err)
	}
	// Four fifths of a test's time are spent waiting, for programs that run or for
	// a deadline, so more of them run than there are processors.
	if !isSet("test.parallel") {
		if err := flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// endsSoon is a setting of the race detector.
const endsSoon = "atexit_sleep_ms=10"

// isSet says whether a flag was given.
func isSet(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// inMemory is where tests keep what programs write: a file system in memory, if
// there is one with room, else wherever temporary files go. A disk that others
// use keeps a program waiting for seconds, and the trail refuses to wait: the
// tests would fail for their neighbours. No test here takes the power away.
func inMemory() string {
	const (
		dir    = "/dev/shm"
		room   = 1 << 30
		noExec = 8 // ST_NOEXEC
	)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Flags&noExec != 0 || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	return dir
}
