package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completeURLs offers the URLs that are known here: of the servers that are served,
// and of those where somebody has signed in.
func (a *app) completeURLs(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	all, directive := a.completeSignedIn(c, args, begun)
	if len(args) > 0 {
		return nil, directive
	}
	a.quietly(c.Context(), func(ctx context.Context, d *door) error {
		s, err := d.Status(ctx)
		if err != nil {
			return err
		}
		for i := range s.Servers {
			all = append(all, s.Servers[i].URL)
		}
		return nil
	})
	slices.Sort(all)
	return slices.Compact(all), directive
}

// completeServed offers the names of the servers that are served here.
func (a *app) completeServed(c *cobra.Command, _ []string, _ string) (all []string, _ cobra.ShellCompDirective) {
	a.quietly(c.Context(), func(ctx context.Context, d *door) error {
		s, err := d.Status(ctx)
		if err != nil {
			return err
		}
		for i := range s.Servers {
			all = append(all, s.Servers[i].Name+"\t"+s.Servers[i].URL)
		}
		return nil
	})
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeSources offers the ways in which a secret comes in, and after env: the
// names of variables. Their values are nobody's business.
func (a *app) completeSources(_ *cobra.Command, _ []string, begun string) (all []string, _ cobra.ShellCompDirective) {
	if !strings.HasPrefix(begun, "env:") {
		return []string{"env:\ta variable", "file:\ta file", "cmd:\twhat a program prints", "keychain:\twhat is kept here"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	for _, kv := range a.environ {
		if name, _, _ := strings.Cut(kv, "="); name != "" {
			all = append(all, "env:"+name)
		}
	}
	slices.Sort(all)
	return all, cobra.ShellCompDirectiveNoFileComp
}

// severalOf offers words for a flag that takes several with commas between.
func severalOf(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) (all []string, _ cobra.ShellCompDirective) {
		before := begun[:strings.LastIndex(begun, ",")+1]
		for _, w := range words {
			name, _, _ := strings.Cut(w, "\t")
			if !slices.Contains(strings.Split(before, ","), name) {
				all = append(all, before+w)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}
