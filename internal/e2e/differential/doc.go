// Package differential compares the verdict of gatehouse.JWTVerifier with those of
// two other libraries, token by token. It is a module of its own, so that nobody
// who uses Gatehouse gets them too.
package differential
