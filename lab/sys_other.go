//go:build !linux && !darwin

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"
)

// Elsewhere lab only compiles: app.locate has said what to do before any of these is called.
var errUnsupported = errors.New("lab runs on Linux and macOS")

func runGroup(context.Context, *exec.Cmd) error                   { return errUnsupported }
func runGroupFor(context.Context, *exec.Cmd, time.Duration) error { return errUnsupported }
func replaceProcess(string, []string, []string) error             { return errUnsupported }
func tryLock(*os.File) (bool, error)                              { return false, errUnsupported }
func freeDisk(string) (uint64, error)                             { return 0, errUnsupported }
