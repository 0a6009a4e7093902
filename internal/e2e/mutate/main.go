// Command mutate takes each check of the JWT verifier away in turn and demands
// that a test goes red: `scripts/mutate`. It prints one line for each check.
//
// A check is one condition of an if or a case that refuses or accepts, one side of
// an || in it, or one side of an && that is returned. All of them are compiled in
// at once, in a copy that the compiler sees instead of the files; an environment
// variable says which one is gone.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

// What is mutated, and the files whose tests have to notice.
var (
	patterns = []string{"jwt*.go", "audience.go", "senders.go", "dpop*.go", "claimmap_*.go", "internal/jws/*.go"}
	notice   = []string{"jwt*_test.go", "senders_test.go", "dpop*_test.go", "claimmap*_test.go"}
)

// deadline is for one run of the tests: whoever takes longer has noticed too.
const deadline = 2 * time.Minute

func main() {
	only := flag.String("only", "", "a regular expression: only checks whose line it matches")
	show := flag.Bool("list", false, "list the checks and run nothing")
	flag.Parse()
	if err := run(*only, *show); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(only string, show bool) error {
	want, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	checks, files, err := findAll(patterns)
	if err != nil {
		return err
	}
	if show {
		for _, c := range checks {
			fmt.Println(c)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := build(dir, files)
	if err != nil {
		return err
	}
	if b.red(0, "") { // with all checks in place
		return fmt.Errorf("the tests are red as it is")
	}
	return judge(b, checks, want)
}

// judge runs the tests without each check and counts those that nobody misses.
func judge(b *binaries, checks []*check, want *regexp.Regexp) error {
	var (
		all  sync.WaitGroup
		work = make(chan *check)
	)
	for range runtime.NumCPU() {
		all.Go(func() {
			for c := range work {
				c.noticed, c.done = b.red(c.id, c.file), true
			}
		})
	}
	for _, c := range checks {
		if want.MatchString(c.String()) {
			work <- c
		}
	}
	close(work)
	all.Wait()
	var red, same, missed, wrong int
	for _, c := range checks {
		why, known := harmless[c.key()]
		switch {
		case !c.done:
			continue
		case c.noticed && known:
			wrong++
			fmt.Println("WRONG   ", c.key(), "is noticed: take it out of the list")
		case c.noticed:
			red++
			fmt.Println("red     ", c)
		case known:
			same++
			fmt.Println("same    ", c, "—", why)
		default:
			missed++
			fmt.Println("MISSED  ", c.key(), "line", c.line)
		}
	}
	fmt.Printf("%d checks: %d noticed, %d make no difference, %d missed\n", red+same+missed, red, same, missed)
	if missed+wrong > 0 {
		return fmt.Errorf("%d checks can go and no test notices, %d are described wrongly", missed, wrong)
	}
	return nil
}

// binaries are the compiled tests.
type binaries struct {
	root, jws string
	tests     string // of the root package, as a regular expression
}

func build(dir string, files []*file) (*binaries, error) {
	overlay, err := write(dir, files)
	if err != nil {
		return nil, err
	}
	tests, err := testsIn(notice)
	if err != nil {
		return nil, err
	}
	b := &binaries{filepath.Join(dir, "root.test"), filepath.Join(dir, "jws.test"), tests}
	for target, pkg := range map[string]string{b.root: ".", b.jws: "./internal/jws"} {
		cmd := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", target, pkg)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("build the tests of %s: %w", pkg, err)
		}
	}
	return b, nil
}

// red reports whether any test fails while a check is gone.
func (b *binaries) red(id int, file string) bool {
	if filepath.Dir(file) != "." && fails(b.jws, "internal/jws", id, ".") {
		return true
	}
	return fails(b.root, ".", id, b.tests)
}

func fails(binary, dir string, id int, tests string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run", tests, "-test.failfast", "-test.count=1")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, id))
	return cmd.Run() != nil
}

// testsIn returns the tests of some files as a regular expression.
func testsIn(patterns []string) (string, error) {
	name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`)
	var names []string
	for _, p := range patterns {
		paths, err := filepath.Glob(p)
		if err != nil {
			return "", err
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			for _, m := range name.FindAllSubmatch(text, -1) {
				names = append(names, string(m[1]))
			}
		}
	}
	return "^(" + strings.Join(names, "|") + ")$", nil
}
