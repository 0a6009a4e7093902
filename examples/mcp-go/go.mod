module github.com/gatehouse-mcp/gatehouse/examples/mcp-go

go 1.26.9

toolchain go1.26.11

require (
	github.com/gatehouse-mcp/gatehouse v0.0.0
	github.com/mark3labs/mcp-go v1.2.1
)

require (
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/google/jsonschema-go v0.4.3 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.2 // indirect
	github.com/spf13/cast v1.7.1 // indirect
	github.com/yosida95/uritemplate/v3 v3.0.2 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/gatehouse-mcp/gatehouse => ../..
