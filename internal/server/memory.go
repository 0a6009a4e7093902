package server

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// TuneMemory lets the collector run less often. A gateway's live heap is small
// and its garbage is one request's worth at a time, so the default of 100 spends
// a twentieth of the processor and more on collecting a few megabytes. The
// limit keeps that from becoming a problem where memory is short: near it the
// collector works as hard as it must. What the operator says in GOGC or
// GOMEMLIMIT is left alone.
func TuneMemory(getenv func(string) string) {
	const percent, least = 400, 256 << 20
	if getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if getenv("GOMEMLIMIT") != "" {
		return
	}
	if total := available(); total > 0 {
		debug.SetMemoryLimit(max(total/2, least))
	}
}

// available returns the bytes that this process may use: its control group's
// limit or else the machine's memory; 0 when neither is known.
func available() int64 {
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			return n
		}
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
