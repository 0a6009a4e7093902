//go:build unix && !linux

package process

import (
	"os"
	"syscall"
)

func onOwnThread(f func()) { go f() }

// confine keeps descriptors that we were started with from the child.
func confine() { closeOnExec() }

// sysAttr makes the child lead a group of its own.
func sysAttr(a *account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}
}

// awaitExit waits until a process has ended.
func awaitExit(p *os.Process) *os.ProcessState {
	state, _ := p.Wait()
	return state
}

// Conceal does nothing on this system.
func Conceal() error { return nil }
