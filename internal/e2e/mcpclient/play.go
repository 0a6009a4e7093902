package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// play does what a scenario wants.
func play(ctx context.Context, s *mcp.ClientSession, scenario string, t *told) error {
	switch scenario {
	case "request-metadata":
		return nil
	case "initialize", "json-schema-ref-no-deref":
		_, err := s.ListTools(ctx, nil)
		return err
	case "tools_call":
		return call(ctx, s, "add_numbers", map[string]any{"a": 5, "b": 3})
	case "elicitation-sep1034-client-defaults":
		return call(ctx, s, "test_client_elicitation_defaults", map[string]any{})
	case "sse-retry":
		return call(ctx, s, "test_reconnection", map[string]any{})
	case "json-schema-2020-12-preservation":
		return echoSchema(ctx, s)
	case "sep-2322-client-request-state":
		for _, name := range []string{"test_mrtr_echo_state", "test_mrtr_no_state", "test_mrtr_unrelated", "test_mrtr_no_result_type"} {
			try(ctx, s, name, map[string]any{})
		}
		return nil
	case "http-standard-headers":
		everything(ctx, s)
		return nil
	case "http-custom-headers":
		if _, err := s.ListTools(ctx, nil); err != nil {
			return err
		}
		for _, c := range t.Calls {
			try(ctx, s, c.Name, c.Arguments)
		}
		return nil
	case "http-invalid-tool-headers":
		tools, err := s.ListTools(ctx, nil)
		if err != nil {
			return err
		}
		for _, one := range tools.Tools {
			try(ctx, s, one.Name, map[string]any{"region": "us-west1"})
		}
		return nil
	}
	if !strings.HasPrefix(scenario, "auth/") {
		return fmt.Errorf("no such scenario %q", scenario)
	}
	return call(ctx, s, "test-tool", map[string]any{})
}

// call lists the tools and calls one.
func call(ctx context.Context, s *mcp.ClientSession, name string, arguments map[string]any) error {
	if _, err := s.ListTools(ctx, nil); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments}); err != nil {
		return fmt.Errorf("call %s: %w", name, err)
	}
	return nil
}

// try calls a tool, which may refuse.
func try(ctx context.Context, s *mcp.ClientSession, name string, arguments map[string]any) {
	if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments}); err != nil {
		fmt.Fprintf(os.Stderr, "call %s: %v\n", name, err)
	}
}

// everything uses one of each kind that the server offers.
func everything(ctx context.Context, s *mcp.ClientSession) {
	if tools, err := s.ListTools(ctx, nil); err == nil && len(tools.Tools) > 0 {
		try(ctx, s, tools.Tools[0].Name, map[string]any{})
	}
	if found, err := s.ListResources(ctx, nil); err == nil && len(found.Resources) > 0 {
		_, _ = s.ReadResource(ctx, &mcp.ReadResourceParams{URI: found.Resources[0].URI})
	}
	if found, err := s.ListPrompts(ctx, nil); err == nil && len(found.Prompts) > 0 {
		_, _ = s.GetPrompt(ctx, &mcp.GetPromptParams{Name: found.Prompts[0].Name, Arguments: map[string]string{}})
	}
}

// echoSchema sends a tool's schema back as it came.
func echoSchema(ctx context.Context, s *mcp.ClientSession) error {
	tools, err := s.ListTools(ctx, nil)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(tools.Tools, func(one *mcp.Tool) bool { return one.Name == "json_schema_2020_12_tool" })
	if at < 0 {
		return fmt.Errorf("the tool is not there")
	}
	_, err = s.CallTool(ctx, &mcp.CallToolParams{Name: "json_schema_echo", Arguments: map[string]any{"schema": tools.Tools[at].InputSchema}})
	return err
}
