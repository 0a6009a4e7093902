package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func (a *app) tool() *cobra.Command {
	return group("tool", "Look after tools as they were approved",
		"  gatehouse tool list files\n  gatehouse tool diff files read_file\n  gatehouse tool approve files read_file\n",
		a.toolList(), a.toolDiff(), a.toolApprove())
}

func (a *app) toolList() *cobra.Command {
	return &cobra.Command{
		Use: "list [SERVER]", Short: "Show the tools that were seen, and which of them changed",
		Long: "Show the tools that servers have listed, and whether they are described as they were approved. They are\n" +
			"remembered where policy.tool_pinning is on.",
		Example: "  gatehouse tool list\n  gatehouse tool list files --json\n",
		Args:    upTo(1), ValidArgsFunction: a.completeTools(1), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.Tools(ctx, strings.Join(args, ""))
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				return a.showTools(list)
			})
		},
	}
}

func (a *app) showTools(list []adminapi.Tool) error {
	rows := [][]string{{"SERVER", "TENANT", "TOOL", "STATE", "HASH", "SEEN", "APPROVED", "BY"}}
	var waiting *adminapi.Tool
	for i := range list {
		t := &list[i]
		approved := "-"
		if t.ApprovedAt != nil {
			approved = a.ago(*t.ApprovedAt)
		}
		if t.State != "approved" && waiting == nil {
			waiting = t
		}
		rows = append(rows, []string{t.Server, orElse(t.Tenant, "-"), t.Name, t.State, t.Hash, a.ago(t.Seen), approved, orElse(t.ApprovedBy, "-")})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if waiting != nil {
		a.say("look at one: gatehouse tool diff%s %s\n", a.place(), toolArgs(waiting))
	}
	return nil
}

// toolArgs names a tool to another command.
func toolArgs(t *adminapi.Tool) string {
	text := t.Server + " " + quoted(t.Name)
	if t.Tenant != "" {
		text += " --tenant " + t.Tenant
	}
	return text
}

func (a *app) toolDiff() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: "diff SERVER TOOL", Short: "Show how a tool differs from what was approved",
		Long: "Show what changed in a tool's description, schemas and annotations since it was approved: what a model reads of\n" +
			"it. What a server says is shown with everything visible that would not print.",
		Example: "  gatehouse tool diff files read_file\n  gatehouse tool diff files read_file --json\n",
		Args:    exactly("a server", "a tool"), ValidArgsFunction: a.completeTools(2), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				out, err := d.DiffTool(ctx, args[0], tenant, args[1])
				if err != nil {
					return err
				}
				if a.json {
					return a.object(out)
				}
				return a.showDiff(out)
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "of the server that `TENANT` has of its own")
	return c
}

func (a *app) showDiff(d *adminapi.ToolDiff) error {
	t := &d.Tool
	before, err := definition(d.Before)
	if err != nil {
		return err
	}
	after, err := definition(d.After)
	if err != nil {
		return err
	}
	if t.State == "approved" {
		for _, line := range after {
			a.print("  %s\n", line)
		}
		a.say("%s is as it was approved %s by %s\n", t.Name, a.ago(*t.ApprovedAt), t.ApprovedBy)
		return nil
	}
	if t.ApprovedAt != nil {
		a.print("--- approved %s by %s, %s\n", moment(*t.ApprovedAt), t.ApprovedBy, t.Approved)
	} else {
		a.print("--- never approved\n")
	}
	a.print("+++ seen %s, %s\n", moment(t.Seen), t.Hash)
	for _, line := range difference(before, after) {
		a.print("%s\n", line)
	}
	a.say("approve exactly this: gatehouse tool approve%s %s --hash %s\n", a.place(), toolArgs(t), t.Hash)
	return nil
}

func (a *app) toolApprove() *cobra.Command {
	var in adminapi.ApproveTools
	c := &cobra.Command{
		Use: "approve SERVER [TOOL...]", Short: "Approve tools as the server describes them now, at once",
		Long: "Approve tools as they were seen last. They are shown and can be called at once, on open streams too. With --hash\n" +
			"a tool is approved only if it still is what gatehouse tool diff has shown.",
		Example: "  gatehouse tool approve files read_file --hash 0c1f9a2b3d4e5f60\n  gatehouse tool approve files --all --dry-run\n",
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usage("%s needs a server. See: %[1]s --help", c.CommandPath())
			case len(args) == 1 && !in.All:
				return usage("%s needs tools, or --all. See which: gatehouse tool list%s %s", c.CommandPath(), a.place(), args[0])
			case len(args) > 1 && in.All:
				return usage("--all is all tools of the server: name none beside it")
			case in.Hash != "" && len(args) != 2:
				return usage("--hash is of one tool")
			}
			return nil
		},
		ValidArgsFunction: a.completeTools(-1), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			in.Server, in.Tools = args[0], args[1:]
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				list, err := d.ApproveTools(ctx, in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(list)
				}
				for i := range list {
					a.print("%s %s %s\n", list[i].Server, list[i].Name, list[i].Hash)
				}
				if len(list) == 0 {
					a.say("  Note  nothing to approve: they are as they were approved\n")
					return nil
				}
				a.done("%d approved. Nothing undoes it but the server; see them: gatehouse tool list%s %s", len(list), a.place(), in.Server)
				return nil
			})
		},
	}
	c.Flags().BoolVar(&in.All, "all", false, "all tools of the server that are not approved")
	c.Flags().StringVar(&in.Hash, "hash", "", "only if it is what `HASH` is of")
	c.Flags().StringVar(&in.Tenant, "tenant", "", "of the server that `TENANT` has of its own")
	return c
}

// completeTools offers servers, then tools of the one that was named; at most so
// many arguments, below zero any number. What is not approved comes first.
func (a *app) completeTools(most int) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		seen := map[string]bool{}
		a.quietly(c.Context(), func(ctx context.Context, d *door) error {
			list, err := d.Tools(ctx, "")
			slices.SortStableFunc(list, func(x, y adminapi.Tool) int { return strings.Compare(y.State, x.State) }) // new, changed, approved
			for i := range list {
				t := &list[i]
				switch {
				case len(args) == 0 && !slices.Contains(out, t.Server):
					out = append(out, t.Server)
				case len(args) > 0 && t.Server == args[0] && !slices.Contains(args[1:], t.Name) && !seen[t.Name]:
					seen[t.Name] = true // tenants with servers of their own have it too
					out = append(out, t.Name+"\t"+t.State)
				}
			}
			return err
		})
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// upTo wants so many positional arguments at most.
func upTo(most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > most {
			return usage("%s takes no %.40q. See: %s --help", c.CommandPath(), args[most], c.CommandPath())
		}
		return nil
	}
}
