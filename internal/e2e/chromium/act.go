package chromium

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Go opens a URL and waits until it is there. Where the page goes on to by
// itself is waited for with WaitFor or WaitAt.
func (b *Tab) Go(url string) {
	b.t.Helper()
	b.call("open "+url, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Navigate(url)) })
}

// Back goes back, as people do. Nothing tells when the page is there: wait for it.
func (b *Tab) Back() {
	b.t.Helper()
	b.call("go back", func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`setTimeout(() => history.back())`))
	})
}

// Press presses the button, link or box whose accessible name contains a text.
func (b *Tab) Press(name string) {
	b.t.Helper()
	b.call("press "+name, func(ctx context.Context) error {
		id, err := b.find(ctx, name, "button", "link", "checkbox")
		if err != nil {
			return err
		}
		if err := painted(ctx); err != nil {
			return err
		}
		if _, err := chromedp.Call(ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: id}); err != nil {
			return err
		}
		at, err := chromedp.Call(ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: id})
		if err != nil {
			return err
		}
		if len(at.Quads) == 0 {
			return fmt.Errorf("%s is nowhere to be seen", name)
		}
		q := at.Quads[0]
		return chromedp.Do(ctx, chromedp.MouseClickXY((q[0]+q[4])/2, (q[1]+q[5])/2))
	})
}

// Fill types a text into the field whose label contains name, instead of what is
// in it.
func (b *Tab) Fill(name, text string) {
	b.t.Helper()
	b.call("fill in "+name, func(ctx context.Context) error {
		id, err := b.find(ctx, name, "textbox", "searchbox", "spinbutton")
		if err != nil {
			return err
		}
		if _, err := chromedp.Call(ctx, dom.Focus, dom.FocusParams{BackendNodeID: id}); err != nil {
			return err
		}
		if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`)); err != nil {
			return err
		}
		_, err = chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// Key presses a key of the keyboard, such as kb.Enter.
func (b *Tab) Key(key string) {
	b.t.Helper()
	b.call("press a key", func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.KeyEvent(key)) })
}

// find waits for an element with one of these roles whose name is a text, or else
// contains it.
func (b *Tab) find(ctx context.Context, name string, roles ...string) (cdp.BackendNodeID, error) {
	for {
		nodes, err := b.tree(ctx)
		var near cdp.BackendNodeID
		for _, n := range nodes {
			switch {
			case err != nil || !slices.Contains(roles, n.role) || !strings.Contains(n.name, name):
			case n.name == name:
				return n.id, nil
			case near == 0:
				near = n.id
			}
		}
		if near != 0 {
			return near, nil
		}
		if err := pause(ctx); err != nil {
			return 0, fmt.Errorf("there is no %s named %q: %w", strings.Join(roles, " or "), name, err)
		}
	}
}

// painted waits until the page was drawn: before that a browser throws away what
// the mouse does.
func painted(ctx context.Context) error {
	return chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](
		`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))`, chromedp.EvalAwaitPromise))
}

// pause is between two looks at what has no event.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// element is what somebody who cannot see the page is told of a part of it.
type element struct {
	id         cdp.BackendNodeID
	role, name string
}

func (b *Tab) tree(ctx context.Context) ([]element, error) {
	all, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		return nil, err
	}
	var out []element
	for _, n := range all.Nodes {
		if !n.Ignored && n.Role != nil {
			out = append(out, element{n.BackendDOMNodeID, plain(n.Role), plain(n.Name)})
		}
	}
	return out, nil
}

func plain(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	text := string(v.Value)
	var out string
	if _, err := fmt.Sscanf(text, "%q", &out); err != nil {
		return text
	}
	return out
}

// WaitFor waits until the page shows a text.
func (b *Tab) WaitFor(text string) {
	b.t.Helper()
	b.wait("see "+text, func() bool { return strings.Contains(b.text(), text) })
}

// WaitAt waits until the address begins with a text, and returns it.
func (b *Tab) WaitAt(url string) string {
	b.t.Helper()
	b.wait("be at "+url, func() bool { return strings.HasPrefix(b.At(), url) })
	return b.At()
}

// WaitAsked waits until a page wants to go to an address that begins with a text,
// whether the browser can go there or not, and returns it.
func (b *Tab) WaitAsked(url string) string {
	b.t.Helper()
	var found string
	b.wait("be asked to go to "+url, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, one := range b.asked {
			if strings.HasPrefix(one, url) {
				found = one
			}
		}
		return found != ""
	})
	return found
}

func (b *Tab) wait(what string, met func() bool) {
	b.t.Helper()
	b.call(what, func(ctx context.Context) error {
		for !met() {
			if err := pause(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// Text is what the page shows.
func (b *Tab) Text() string { return b.text() }

func (b *Tab) text() string {
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	if err != nil {
		return "" // between two pages
	}
	return text
}

// At is the address.
func (b *Tab) At() string {
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	at, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return ""
	}
	return at
}

// Messages are what the browser has complained about, such as what a policy
// forbids.
func (b *Tab) Messages() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.messages...)
}

// Answers are the documents, styles and scripts that were fetched.
func (b *Tab) Answers() []Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Answer(nil), b.answers...)
}

// Look has the tab be of a size, in light or dark.
func (b *Tab) Look(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("change the size", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		if err != nil {
			return err
		}
		return chromedp.Do(ctx, chromedp.EmulateViewport(width, height))
	})
}

// Print has the tab show a page as it is printed, whatever the screen is like.
func (b *Tab) Print() {
	b.t.Helper()
	b.call("print", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	})
}

// Shot writes a picture of the page to $GATEHOUSE_SHOTS/name.png, if that is set:
// for people to look at.
func (b *Tab) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("GATEHOUSE_SHOTS")
	if dir == "" {
		return
	}
	b.call("take a picture", func(ctx context.Context) error {
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	})
}
