//go:build unix

package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

type sig = syscall.Signal

const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL
)

var alsoInherited []string

// files are the names that a program's file may have.
func files(program string) []string { return []string{program} }

func executable(m fs.FileMode) bool  { return m&0o111 != 0 }
func replaceable(m fs.FileMode) bool { return m&0o002 != 0 }
func plainProgram(string) error      { return nil }

// group is a child and whatever it starts that stays with it.
type group struct{ pid int }

// groupOf returns the group that a child leads.
func groupOf(p *os.Process) (*group, error) { return &group{p.Pid}, nil }

// signal sends a signal to all of it. Nobody else may have its number yet.
func (g *group) signal(how sig) { _ = syscall.Kill(-g.pid, how) }

// close has nothing to give back.
func (g *group) close() {}

// await waits until a group that was ended is gone, but not for long: who reaps
// orphans is not ours to say.
func (g *group) await(limit time.Duration) {
	const step = 5 * time.Millisecond
	for waited := time.Duration(0); waited < limit; waited += step {
		if errors.Is(syscall.Kill(-g.pid, 0), syscall.ESRCH) {
			return
		}
		time.Sleep(step)
	}
}

// closeOnExec marks every descriptor but the standard ones. Go marks its own;
// these are the ones that somebody left open when starting us.
func closeOnExec() {
	entries, _ := os.ReadDir("/dev/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// account is somebody on this machine to run a child as; nil is ourselves.
type account struct {
	name, home string
	uid        uint32
	gids       []uint32 // the first is the primary group
}

// accountOf looks an account up; nil for the empty name and for our own.
func accountOf(name string) (*account, error) {
	if name == "" {
		return nil, nil // nobody else is asked for
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %q: id %q: %w", name, u.Uid, err)
	}
	if uint64(os.Geteuid()) == uid && uid != 0 {
		return nil, nil // ourselves
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("user %q: only root can run a server as somebody else", name)
	}
	a := &account{name: u.Username, home: u.HomeDir, uid: uint32(uid)}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %q: %w", name, err)
	}
	for _, text := range append([]string{u.Gid}, ids...) {
		gid, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("groups of user %q: id %q: %w", name, text, err)
		}
		if !slices.Contains(a.gids, uint32(gid)) {
			a.gids = append(a.gids, uint32(gid))
		}
	}
	return a, nil
}

// privileged says whether this account can do what we can.
func (a *account) privileged() bool { return a == nil || a.uid == 0 }

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gids[0], Groups: a.gids}
}

// mayEnter says whether the account can reach a directory, as far as mode bits
// tell.
func (a *account) mayEnter(dir string) bool {
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil || !info.IsDir() || !a.mayPass(info) {
			return false
		}
		if d == filepath.Dir(d) {
			return true
		}
	}
}

func (a *account) mayPass(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case !ok || a.uid == 0:
		return true
	case st.Uid == a.uid:
		return mode&0o100 != 0
	case slices.Contains(a.gids, st.Gid):
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// workingDir returns where the child is to run; "" is where we are.
func workingDir(dir string, a *account) (string, error) {
	switch {
	case dir == "" && a == nil:
		return "", nil
	case dir == "":
		if filepath.IsAbs(a.home) && a.mayEnter(a.home) {
			return a.home, nil
		}
		return "/", nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errNoDir
	}
	if err != nil {
		return "", fmt.Errorf("working directory %s: %w", dir, err)
	}
	if a != nil && !a.mayEnter(dir) {
		return "", fmt.Errorf("working directory %s: user %q may not enter it", dir, a.name)
	}
	return dir, nil
}

var errNoDir = errors.New("not a directory")

// explain says what a refusal of the kernel to start a program means.
func explain(err error, s *Spec, dir string, a *account) error {
	if errors.Is(err, fs.ErrPermission) && a != nil {
		return fmt.Errorf("user %q may not run %s in %q: %w", a.name, s.Command[0], dir, err)
	}
	return err
}
