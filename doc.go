// Package gatehouse holds the words shared by everything that protects an MCP
// server: who is calling ([Identity]), how a credential is judged ([Verifier]),
// how a refusal reads ([Error]) and how it is challenged ([Challenge]).
//
// The program that puts them to work in front of a server is cmd/gatehouse.
//
// # Compatibility
//
// The codes of [Error] ("GH-1011") are stable: once published, a code keeps its meaning.
package gatehouse
