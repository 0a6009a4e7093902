package process

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a child and all that it starts: a job object, which ends with us,
// however we end.
type group struct {
	mu  sync.Mutex
	job windows.Handle // 0: it was given back
}

// groupOf puts a child that waits to begin into a group of its own, and lets it
// begin. One that cannot be put into one is ended.
func groupOf(p *os.Process) (*group, error) {
	g := &group{}
	err := g.take(p)
	if err == nil {
		err = resume(uint32(p.Pid))
	}
	if err != nil {
		_ = p.Kill()
		g.close()
		return nil, fmt.Errorf("put the child into a job: %w", err)
	}
	return g, nil
}

func (g *group) take(p *os.Process) (err error) {
	if g.job, err = windows.CreateJobObject(nil, nil); err != nil {
		return err
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	if _, err := windows.SetInformationJobObject(g.job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return err
	}
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(p.Pid))
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	return windows.AssignProcessToJobObject(g.job, h)
}

// resume lets the one thread of a process begin.
func resume(pid uint32) error {
	all, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(all) }()
	e := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(all, &e); err == nil; err = windows.Thread32Next(all, &e) {
		if e.OwnerProcessID != pid {
			continue
		}
		h, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, e.ThreadID)
		if err != nil {
			return err
		}
		_, err = windows.ResumeThread(h)
		return errors.Join(err, windows.CloseHandle(h))
	}
	return fmt.Errorf("its thread is not found: %w", err)
}

// signal ends all of it; there is no way to ask.
func (g *group) signal(how sig) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if how == kill && g.job != 0 {
		_ = windows.TerminateJobObject(g.job, 1)
	}
}

// close gives the job back, and ends what is left in it.
func (g *group) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.job != 0 {
		_ = windows.CloseHandle(g.job)
		g.job = 0
	}
}

// await has nothing to wait for: what is ended is gone.
func (g *group) await(time.Duration) {}
