package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) keyVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify [- | env:NAME | file:PATH]", Short: "Say what a key is worth",
		Long:    "Say whether a key would be let in, and if not why. The key comes on standard input, from a variable or\nfrom a file; never as an argument, which other people can read.",
		Example: "  gatehouse key verify < key.txt\n  gatehouse key verify env:GATEHOUSE_KEY\n",
		Args:    cobra.MaximumNArgs(1), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			text, err := a.source(args)
			if err != nil {
				return err
			}
			if text == "" {
				return usage("there is no key in what was given")
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				v, err := d.VerifyKey(ctx, text)
				if err != nil {
					return err
				}
				if a.json {
					err = a.object(v)
				} else if v.Key != nil {
					err = a.printKey(v.Key)
				}
				if err != nil {
					return err
				}
				if !v.Valid {
					f := &fault{exit: exitFailure, code: v.Code, text: v.Reason}
					if a.json { // the object said it
						f.text = ""
					}
					return f
				}
				a.done("valid")
				return nil
			})
		},
	}
}
