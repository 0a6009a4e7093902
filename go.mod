module github.com/gatehouse-mcp/gatehouse

go 1.26.9

toolchain go1.26.11
