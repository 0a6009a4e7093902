//go:build !linux

package main

import (
	"errors"

	"github.com/gatehouse-mcp/gatehouse/internal/doctor"
)

func clockIsSet() (bool, error) { return false, errors.New("this system is not asked") }

func boundsOf(int) (doctor.Bounds, error) {
	return doctor.Bounds{}, errors.New("this system is not asked")
}
