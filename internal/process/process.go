// Package process runs stdio MCP servers as children: their environment, their
// account, their standard streams and their end.
package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Spec says how to start a child. It is never handed to a shell.
type Spec struct {
	Name    string            // the server's name, for logs and errors
	Command []string          // required: a program as Resolve returns it, and its arguments
	Dir     string            // working directory; empty: ours, or with User that account's home
	Env     map[string]string // added to the few variables that a child inherits
	Environ []string          // our own environment ("NAME=value"), of which PATH, HOME, LANG and TZ are inherited
	User    string            // account to run as, by name; empty: ours. Only root can choose another
	// Unprivileged refuses root's account and our own as User, which then must be
	// somebody's: whoever the name came from is not trusted with either.
	Unprivileged bool

	Log *slog.Logger // required: gets the child's standard error

	// Receive gets each message that the child writes: a JSON object or array of
	// at most MaxLine bytes, its own to keep. It is called by one goroutine and
	// never after Done is closed; while it blocks, so does the child. Required.
	Receive func(message []byte)

	MaxLine int              // bytes in one line of standard output; zero: 16 MiB. A longer one is the child's end
	Grace   time.Duration    // how long a child may take to end by itself once its input is closed; zero: 2 s
	Now     func() time.Time // nil: time.Now
}

const (
	defaultMaxLine = 16 << 20
	defaultGrace   = 2 * time.Second
	termWait       = time.Second            // between SIGTERM and SIGKILL
	sweepWait      = 300 * time.Millisecond // for what the first process leaves behind in its group
	drainWait      = 200 * time.Millisecond // for output held by a process that left the group
)

// ErrEnded is returned for a message to a child that is gone or going.
var ErrEnded = errors.New("the server has ended")

// withDefaults fills in what was left zero, and says what is missing.
func (s Spec) withDefaults() (Spec, error) {
	if len(s.Command) == 0 || s.Log == nil || s.Receive == nil {
		return s, errors.New("command, log and receive are required")
	}
	if !filepath.IsAbs(s.Command[0]) {
		return s, fmt.Errorf("the program %q is not an absolute path", s.Command[0])
	}
	for _, arg := range s.Command {
		if strings.ContainsRune(arg, 0) {
			return s, fmt.Errorf("an argument contains a NUL character: %q", arg)
		}
	}
	if s.MaxLine == 0 {
		s.MaxLine = defaultMaxLine
	}
	if s.Grace == 0 {
		s.Grace = defaultGrace
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s, nil
}

// Title is how the command is called in messages: the program's base name.
// Arguments are left out, since people put credentials into them.
func (s Spec) Title() string {
	if len(s.Command) == 0 {
		return ""
	}
	title := escape([]byte(filepath.Base(s.Command[0])), 80)
	if len(s.Command) > 1 {
		title += " …"
	}
	return title
}

// ExitError says how a child ended. Its text is for operators: it contains what
// the child wrote.
type ExitError struct {
	Command string        // as Title has it
	How     string        // "exited with 1", "was ended by killed", …
	After   time.Duration // since its start
	Lines   []string      // the last it wrote to standard error, escaped
}

// Error returns one sentence, and the last lines if there are any.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("%q %s after %s s.", e.Command, e.How, strconv.FormatFloat(e.After.Seconds(), 'f', 1, 64))
	if len(e.Lines) == 0 {
		return text
	}
	return text + " Its last lines: " + strings.Join(e.Lines, " / ")
}

// how puts the end of a process into words.
func how(state *os.ProcessState) string {
	if state == nil {
		return "ended"
	}
	if code := state.ExitCode(); code >= 0 {
		return "exited with " + strconv.Itoa(code)
	}
	return "was ended by " + strings.TrimPrefix(state.String(), "signal: ")
}

// escape makes bytes of a child fit for a log or a terminal: printable
// characters only, at most limit bytes.
func escape(b []byte, limit int) string {
	cut := len(b) > limit
	if cut {
		b = b[:limit]
	}
	quoted := strconv.Quote(string(b))
	text := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if cut {
		text += "…"
	}
	return text
}
