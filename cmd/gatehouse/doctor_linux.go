package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/internal/doctor"
)

// clockIsSet says whether somebody keeps the clock right, as the kernel was told by
// them. adjtimex(2); with no mode it only reads.
func clockIsSet() (bool, error) {
	const timeError = 5 // TIME_ERROR: it is not synchronized
	state, err := unix.Adjtimex(&unix.Timex{})
	return state != timeError, err
}

// boundsOf reads the bounds of a process's control group, the least on the way up.
// cgroups(7), version 2
func boundsOf(pid int) (b doctor.Bounds, err error) {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil { // beside version 1 it bounds nothing
		return b, errors.New("this system has no control groups of version 2")
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return b, err
	}
	_, group, ok := strings.Cut("\n"+string(text), "\n0::")
	if !ok {
		return b, errors.New("the process is in no control group")
	}
	group, _, _ = strings.Cut(group, "\n")
	return boundsIn("/sys/fs/cgroup", group)
}

// boundsIn reads them from where the groups are.
func boundsIn(root, group string) (b doctor.Bounds, err error) {
	if _, err := os.Stat(root + path.Clean("/"+group)); err != nil { // as in a container that sees the names of its host
		return b, errors.New("its control group is not to be seen from here")
	}
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		for file, to := range map[string]*uint64{"memory.max": &b.Memory, "pids.max": &b.Processes} {
			n, err := limitIn(root + at + "/" + file)
			if err != nil {
				return b, err
			}
			if n != 0 && (*to == 0 || n < *to) {
				*to = n
			}
		}
		if at == "/" {
			return b, nil
		}
	}
}

// limitIn is the number in a file; 0: "max", or there is no such file, as at the top.
func limitIn(file string) (uint64, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	said := strings.TrimSpace(string(text))
	if err != nil || said == "max" {
		return 0, err
	}
	return strconv.ParseUint(said, 10, 64)
}
