package process

import (
	"os"
	"os/exec"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// TestWhatAChildStartsEndsWithIt has a child start another: both end when it is ended.
func TestWhatAChildStartsEndsWithIt(t *testing.T) {
	const name = "GATEHOUSE_TEST_CHILD"
	switch os.Getenv(name) {
	case "parent":
		c := exec.Command(os.Args[0], "-test.run=WhatAChildStarts")
		c.Env = append(os.Environ(), name+"=child")
		if c.Start() == nil {
			time.Sleep(time.Minute)
		}
		return
	case "child":
		time.Sleep(time.Minute)
		return
	}
	c := exec.Command(os.Args[0], "-test.run=WhatAChildStarts")
	c.Env, c.SysProcAttr = append(os.Environ(), name+"=parent"), sysAttr(nil)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	g, err := groupOf(c.Process)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	until := func(want uint32) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			n, err := g.size()
			if err != nil || time.Now().After(end) {
				t.Fatalf("%d processes, want %d: %v", n, want, err)
			}
			if n == want {
				return
			}
		}
	}
	until(2)
	g.signal(kill)
	_ = c.Wait()
	until(0)
}

// size is how many processes are in the job.
func (g *group) size() (uint32, error) {
	var got struct {
		TotalUserTime, TotalKernelTime, ThisPeriodTotalUserTime, ThisPeriodTotalKernelTime int64
		TotalPageFaultCount, TotalProcesses, ActiveProcesses, TotalTerminatedProcesses     uint32
	}
	err := windows.QueryInformationJobObject(g.job, windows.JobObjectBasicAccountingInformation, uintptr(unsafe.Pointer(&got)), uint32(unsafe.Sizeof(got)), nil)
	return got.ActiveProcesses, err
}
