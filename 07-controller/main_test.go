package main

import (
	"testing"

	"client-go-lab/internal/chaptertest"
)

func TestMain(m *testing.M) { chaptertest.Main(m, main) }
