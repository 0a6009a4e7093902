// Package chromium has a test do in a real browser what a person does: open
// pages, press what has a name, fill in what has a label, and look.
package chromium

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is for one step. A busy machine takes its time.
const patience = 30 * time.Second

// browser is shared by the tests of one package while one of them has a tab.
var browser struct {
	mu   sync.Mutex
	tabs int
	ctx  context.Context
	stop func()
}

// Tab is a tab with cookies of its own.
type Tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	messages []string // what the browser has complained about
	asked    []string // where pages wanted to go
	answers  []Answer
}

// Answer is a document that the browser has fetched.
type Answer struct {
	URL    string
	Status int64
}

// Open returns a tab. Every host name leads to this machine, and certificates
// are not judged: the issuer of a test can be called as one in the world is.
// Without Chromium the test is skipped, unless CI=true.
func Open(t *testing.T) *Tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("with CI=true nothing may be missing: chromium (scripts/setup test)")
		}
		t.Skip("chromium is not installed: scripts/setup test")
	}
	b := &Tab{t: t}
	var stop func()
	b.ctx, stop = chromedp.NewContext(shared(t, path), chromedp.WithNewBrowserContext())
	t.Cleanup(func() {
		stop()
		release()
	})
	if err := chromedp.Do(b.ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	if err := chromedp.Listen(b.ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.call("listen", func(ctx context.Context) error {
		_, e1 := chromedp.Call(ctx, log.Enable, cdp.Empty{})
		_, e2 := chromedp.Call(ctx, network.Enable, network.EnableParams{})
		_, e3 := chromedp.Call(ctx, page.Enable, page.EnableParams{})
		return errors.Join(e1, e2, e3)
	})
	return b
}

// For has what goes wrong from now on fail t: a part of the test that opened the tab.
func (b *Tab) For(t *testing.T) *Tab {
	b.t = t
	return b
}

// shared returns the browser, which is started if there is none.
func shared(t *testing.T, path string) context.Context {
	t.Helper()
	browser.mu.Lock()
	defer browser.mu.Unlock()
	if browser.tabs++; browser.tabs > 1 {
		return browser.ctx
	}
	dir, err := os.MkdirTemp("", "gatehouse-chromium")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Headless, chromedp.IgnoreCertErrors, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, close := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	browser.ctx, browser.stop = ctx, func() {
		close()
		end()
		_ = os.RemoveAll(dir) // of a browser that has ended
	}
	return ctx
}

func release() {
	browser.mu.Lock()
	defer browser.mu.Unlock()
	if browser.tabs--; browser.tabs == 0 && browser.stop != nil {
		browser.stop()
		browser.stop = nil
	}
}

// hear notes what the browser tells of the tab.
func (b *Tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *log.EventEntryAdded:
		if !strings.Contains(e.Entry.URL, "favicon") {
			b.messages = append(b.messages, e.Entry.Text)
		}
	case *page.EventFrameRequestedNavigation:
		b.asked = append(b.asked, e.URL)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument || e.Type == network.ResourceTypeStylesheet || e.Type == network.ResourceTypeScript {
			b.answers = append(b.answers, Answer{URL: e.Response.URL, Status: e.Response.Status})
		}
	}
}

// call does one step, and fails the test if it cannot be done.
func (b *Tab) call(what string, step func(ctx context.Context) error) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := step(ctx); err != nil {
		b.t.Fatalf("%s: %v\nat %s:\n%s\n%s", what, err, b.At(), b.text(), strings.Join(b.Messages(), "\n"))
	}
}
