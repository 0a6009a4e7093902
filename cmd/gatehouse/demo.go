package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/demo"
)

// demoCommand is what up --demo runs itself as, to have a child to protect.
const demoCommand = "demo-server"

func (a *app) demoServer() *cobra.Command {
	return &cobra.Command{
		Use: demoCommand, Short: "Serve the built-in MCP server on standard input and output", Hidden: true, Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return demo.Server{Version: version()}.Run(c.Context())
		},
	}
}
