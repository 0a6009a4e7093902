package main

import (
	"bufio"
	"context"
	"strings"
)

// confirm has a person type a word before something that cannot be undone, and
// gives them all the time they want: it stands outside of [app.with]. Without a
// person the answer has to be --yes.
func (a *app) confirm(ctx context.Context, question, word string) error {
	if a.yes || a.dry {
		return nil
	}
	if !terminal(a.in) {
		return &fault{exitUsage, "GH-2404", question + " Nobody is here to confirm it. Say --yes."}
	}
	a.say("%s Type %s to confirm: ", question, word)
	typed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		typed <- line
	}()
	select {
	case <-ctx.Done():
		a.say("\n")
		return ctx.Err()
	case line := <-typed:
		if strings.TrimSpace(line) != word {
			return &fault{exitFailure, "GH-2404", "Not confirmed; nothing was changed."}
		}
		return nil
	}
}
