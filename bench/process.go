package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program is a process that was started here, and is stopped here by its id.
type program struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	log    string        // file of what it says on stderr
	done   chan struct{} // closed when it has ended
}

// start runs a program on a core (-1: wherever). Its stderr goes to a file in dir.
func start(ctx context.Context, dir string, core int, args ...string) (*program, error) {
	p, err := prepare(ctx, dir, core, args...)
	if err != nil {
		return nil, err
	}
	return p, p.run()
}

// prepare is start without the start: environment and input can be set yet.
func prepare(ctx context.Context, dir string, core int, args ...string) (*program, error) {
	name := filepath.Base(args[0])
	if core >= 0 {
		args = append([]string{"taskset", "-c", strconv.Itoa(core)}, args...) // taskset becomes the program
	}
	log, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &program{cmd: exec.CommandContext(ctx, args[0], args[1:]...), log: log.Name(), done: make(chan struct{})}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=")
	return p, nil
}

// run starts what was prepared.
func (p *program) run() error {
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stderr = log
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	p.cmd.Stdout = in
	p.stdout = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		out.Close()
		return fmt.Errorf("start %s: %w", strings.Join(p.cmd.Args, " "), err)
	}
	go func() {
		_ = p.cmd.Wait() // its end is all that matters
		out.Close()
		close(p.done)
	}()
	return nil
}

// stop ends the program: it is asked to, and killed if it has not ended in 5 s.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// line returns the next line that the program prints.
func (p *program) line(within time.Duration) (string, error) {
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := p.stdout.ReadString('\n')
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		return r.text, r.err
	case <-time.After(within):
		return "", fmt.Errorf("no line within %v", within)
	}
}

// tail returns the end of what the program has said on stderr.
func (p *program) tail() string {
	b, _ := os.ReadFile(p.log)
	return string(bytes.TrimSpace(b[max(0, len(b)-500):]))
}

// freeAddress returns an address nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// family returns the process and all its descendants.
func family(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		for _, file := range children {
			b, _ := os.ReadFile(file)
			for _, text := range strings.Fields(string(b)) {
				if child, err := strconv.Atoi(text); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}

// cpuTime returns the user and system time that processes have used, to 10 ms.
func cpuTime(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		for _, f := range fields[11:13] { // utime and stime, in ticks of 10 ms
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum, nil
}

// cpuExact is cpuTime to the nanosecond, of what threads there are now.
func cpuExact(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(threads) == 0 {
			return 0, fmt.Errorf("process %d has no threads: %w", pid, err)
		}
		for _, file := range threads {
			b, err := os.ReadFile(file)
			if err != nil {
				return 0, err
			}
			n, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n)
		}
	}
	return sum, nil
}

// coreTime returns the user and system time that anybody has used on a core, to
// 10 ms; 0 when there is no such core.
func coreTime(core int) (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var user, nice, system int64
		if _, err := fmt.Sscanf(line, fmt.Sprintf("cpu%d %%d %%d %%d", core), &user, &nice, &system); err == nil {
			return time.Duration(user+nice+system) * 10 * time.Millisecond, nil
		}
	}
	return 0, nil
}

// proportion returns the bytes that processes have in memory, with their share
// of those that several have (PSS), and how many of them are no file's.
func proportion(pids []int) (all, own int64, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, 0, err
		}
		for name, sum := range map[string]*int64{"\nPss:": &all, "\nPss_Anon:": &own} {
			_, rest, _ := bytes.Cut(b, []byte(name))
			var kib int64
			if _, err := fmt.Sscan(string(rest), &kib); err != nil {
				return 0, 0, fmt.Errorf("smaps_rollup of %d: %w", pid, err)
			}
			*sum += kib << 10
		}
	}
	return all, own, nil
}

// memory returns the bytes that processes have in memory (RSS).
func memory(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, err
		}
		var size, resident int64 // in pages
		if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
			return 0, err
		}
		sum += resident * int64(os.Getpagesize())
	}
	return sum, nil
}
