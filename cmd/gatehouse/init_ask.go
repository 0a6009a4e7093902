package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// questions asks a person. An empty answer is the one in brackets; one that
// cannot be is asked for again.
type questions struct {
	*app
	ctx context.Context
	in  <-chan string // closed at the end of input
}

// lines makes typed ready. There is one reader of what a person types, for all
// questions of a command: another would miss what the first has read ahead.
func (a *app) lines() {
	if a.typed == nil {
		a.typed = lines(a.in)
	}
}

// lines reads lines for as long as anybody takes them.
func lines(from io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		s := bufio.NewScanner(from)
		for s.Scan() {
			out <- s.Text()
		}
	}()
	return out
}

// one asks one question; take keeps the answer or says what is wrong with it.
func (q *questions) one(question, otherwise string, take func(string) error) error {
	const patience = 5 // answers that cannot be
	for range patience {
		q.say("%s [%s]: ", question, otherwise)
		select {
		case <-q.ctx.Done():
			q.say("\n")
			return q.ctx.Err()
		case text, open := <-q.in:
			if !open {
				q.say("\n")
				return &fault{exitFailure, "GH-2404", "The answers ended; nothing was written."}
			}
			err := take(orElse(strings.TrimSpace(text), otherwise))
			if err == nil {
				return nil
			}
			q.say("  %s %v\n", q.mark(q.err, "!"), err)
		}
	}
	return &fault{exitFailure, "GH-2404", "Not answered; nothing was written."}
}

// ask asks the five questions.
func (q *questions) ask(w *answers) error {
	q.say("Five questions; Enter takes what is in brackets.\n\n")
	for _, step := range []func(*answers) error{q.askTarget, q.askWay, q.askTools, q.askLimit, q.askState} {
		if err := step(w); err != nil {
			return err
		}
	}
	return nil
}

func (q *questions) askTarget(w *answers) error {
	return q.one("1. Which MCP server is to be protected? A command or a URL", orElse(w.url, w.commandLine()), func(text string) error {
		if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
			if err := config.CheckUpstreamURL(text); err != nil {
				return err
			}
			w.url, w.command, w.name = text, nil, serverName(hostName(text))
			return nil
		}
		if strings.Contains(text, "://") {
			return errors.New("a URL begins with http:// or https://")
		}
		command, err := config.Words(text)
		if err != nil {
			return err
		}
		w.url, w.command, w.name = "", command, commandName(command)
		return nil
	})
}

func (q *questions) askWay(w *answers) error {
	ways := map[string]string{"1": wayLocal, "2": wayACME, "3": wayProxy}
	now := map[string]string{wayLocal: "1", wayACME: "2", wayProxy: "3"}[w.way]
	err := q.one("2. How do people reach it? 1 from this machine only, 2 by an HTTPS name of this machine, 3 through a proxy that ends TLS", now, func(text string) error {
		if ways[text] == "" {
			return errors.New("1, 2 or 3")
		}
		w.way = ways[text]
		return nil
	})
	if err != nil || w.way == wayLocal {
		return err
	}
	err = q.one("   By which address?", orElse(w.publicURL, examplePublic), func(text string) error {
		if !strings.Contains(text, "://") {
			text = "https://" + text
		}
		w.publicURL = text
		return config.CheckPublicURL(text)
	})
	switch {
	case err != nil:
		return err
	case w.way == wayProxy:
		return q.one("   From which network does the proxy come? local when it is on this machine", orElse(strings.Join(w.proxies, ","), "local"), w.takeProxies)
	}
	if err := q.one("   Where may the certificate authority write to?", orElse(w.email, "ops@"+hostName(w.publicURL)), func(text string) error {
		w.email = text
		return nil
	}); err != nil {
		return err
	}
	return q.one("   Do you agree to the terms of Let's Encrypt (https://letsencrypt.org/repository/)?", "yes", func(text string) error {
		if text != "yes" && text != "y" {
			return errors.New("without that there are no certificates: yes, or Ctrl+C and --preset proxy")
		}
		return nil
	})
}

func (q *questions) askTools(w *answers) error {
	now := "1"
	if w.readOnly {
		now = "2"
	}
	return q.one("3. What may a key call? 1 whatever tools it is made for, 2 only tools that read (get_*, list_*, read_*, search_*)", now, func(text string) error {
		if text != "1" && text != "2" {
			return errors.New("1 or 2")
		}
		w.readOnly = text == "2"
		return nil
	})
}

func (q *questions) askLimit(w *answers) error {
	return q.one("4. How often may one key call?", w.limit, func(text string) error {
		_, err := unit.ParseRate(text)
		w.limit = text
		return err
	})
}

func (q *questions) askState(w *answers) error {
	return q.one("5. In which directory do keys and the audit trail lie?", w.state, func(text string) error {
		w.state = strings.TrimRight(text, "/")
		return nil
	})
}
