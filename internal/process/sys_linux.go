package process

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

const (
	prSetDumpable   = 4
	prSetNoNewPrivs = 38
	pPID            = 1 // of waitid: one process
)

// onOwnThread runs f on a thread that ends with it, and that nothing else ever
// runs on. It is never the process's first, whose state everybody takes for
// that of all.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if syscall.Gettid() != os.Getpid() {
			f()
			return
		}
		other := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(other)
			f()
		}()
		<-other
		runtime.UnlockOSThread()
	}()
}

// confine gives up, on this thread and so for the child it starts, what a child
// has no use for: set-user-id programs, files readable by others, and whatever
// descriptors we were started with. Where a sandbox forbids a step, the child
// does without it.
func confine() {
	if syscall.Unshare(syscall.CLONE_FS) == nil { // else the umask would be that of all threads
		syscall.Umask(0o077)
	}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0)
	closeOnExec()
}

// sysAttr makes the child lead a group of its own, and end when we do, however
// we end.
func sysAttr(a *account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: a.credential()}
}

// awaitExit waits until a process has ended, without reaping it: as long as it
// is a zombie, its number and its group's are not given to anybody else.
func awaitExit(p *os.Process) *os.ProcessState {
	var info [128]byte // siginfo_t
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(p.Pid), uintptr(unsafe.Pointer(&info)), // waitid(2)
			syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno != syscall.EINTR {
			return nil
		}
	}
}

// Conceal hides this process's memory, environment and descriptors from other
// processes of the same account, its children among them. Root sees them still.
func Conceal() error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetDumpable, 0, 0, 0, 0, 0); errno != 0 {
		return os.NewSyscallError("prctl", errno)
	}
	return nil
}
