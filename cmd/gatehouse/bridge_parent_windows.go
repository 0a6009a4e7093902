package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// parent returns whether the program that started this one is still there. Its
// number stays what it was, whoever has it meanwhile, so the process itself is
// held on to. One that has the number and began after us is none of ours.
func parent() func() bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE|windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(os.Getppid()))
	if err != nil || !older(h, windows.CurrentProcess()) {
		return func() bool { return true } // nobody to watch: standard input says when it ends
	}
	return func() bool {
		state, err := windows.WaitForSingleObject(h, 0)
		return err != nil || state != windows.WAIT_OBJECT_0
	}
}

func older(a, b windows.Handle) bool {
	var began [2]windows.Filetime
	for i, h := range []windows.Handle{a, b} {
		var exit, kernel, user windows.Filetime
		if err := windows.GetProcessTimes(h, &began[i], &exit, &kernel, &user); err != nil {
			return false
		}
	}
	return began[0].Nanoseconds() <= began[1].Nanoseconds()
}
