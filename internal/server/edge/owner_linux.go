package edge

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// portOwner returns who listens on a TCP port; 0 when that cannot be seen,
// because it is another account's process.
func portOwner(port uint16) (pid int, command string) {
	const listening = "0A" // state of a socket in /proc/net/tcp
	local := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != listening || !strings.HasSuffix(f[1], local) {
				continue
			}
			if pid, command := socketOwner("socket:[" + f[9] + "]"); pid != 0 {
				return pid, command
			}
		}
	}
	return 0, ""
}

// socketOwner returns the process that holds a socket.
func socketOwner(socket string) (pid int, command string) {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, ""
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != socket {
			continue
		}
		id := strings.Split(link, "/")[2]
		if pid, err = strconv.Atoi(id); err != nil {
			return 0, ""
		}
		words, err := os.ReadFile(filepath.Join("/proc", id, "cmdline"))
		if err != nil {
			return pid, "?"
		}
		return pid, title(words)
	}
	return 0, ""
}

// title shortens a command line to its program and first argument: the others
// may hold somebody's secrets.
func title(cmdline []byte) string {
	words := bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0})
	text := filepath.Base(string(words[0]))
	if len(words) > 1 && len(words[1]) > 0 && words[1][0] != '-' {
		text += " " + string(words[1])
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 80)]
}
