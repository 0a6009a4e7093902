package chromium

import (
	"context"
	_ "embed" // the look at a page's colours and sizes
	"slices"

	"github.com/chromedp/chromedp"
)

//go:embed check.js
var look string

// Check looks at the page as somebody would who cannot see it, cannot see it
// well, or has no mouse: what can be used has a name, the page has a language, a
// title, one heading of the first order and one main part, texts stand out from
// what is behind them, nothing is wider than the page, and what has the focus is
// seen to have it. WCAG 2.2, levels A and AA, as far as a program can tell.
func (b *Tab) Check(what string) {
	b.t.Helper()
	b.call("check", func(ctx context.Context) error {
		if err := painted(ctx); err != nil {
			return err
		}
		nodes, err := b.tree(ctx)
		if err != nil {
			return err
		}
		count := map[string]int{}
		for _, n := range nodes {
			count[n.role]++
			if n.name == "" && slices.Contains([]string{"button", "link", "textbox", "checkbox", "radio", "combobox", "heading", "group", "region"}, n.role) {
				b.t.Errorf("%s: a %s without a name", what, n.role)
			}
		}
		for role, want := range map[string]int{"main": 1, "banner": 1, "contentinfo": 1} {
			if count[role] != want {
				b.t.Errorf("%s: %d parts are %s, want %d", what, count[role], role, want)
			}
		}
		found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](look))
		for _, one := range found {
			b.t.Errorf("%s: %s", what, one)
		}
		return err
	})
}
