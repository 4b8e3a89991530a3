// SPDX-License-Identifier: Apache-2.0

// Recursion in the first goroutine and in one more: chain MILLISECONDS.
package main

import (
	"os"
	"strconv"
	"time"
)

var sink uint64

//go:noinline
func burnLeaf(end time.Time) {
	value := uint64(1)
	for time.Now().Before(end) {
		for i := 0; i < 5000000; i++ {
			value = value*6364136223846793005 + 1
		}
	}
	sink += value
}

//go:noinline
func step(depth int, end time.Time) uint64 {
	var words [7]uint64
	words[depth%7] = uint64(depth)
	if depth == 0 {
		burnLeaf(end)
		return words[0]
	}
	return step(depth-1, end) + words[depth%7]
}

//go:noinline
func begin(end time.Time) uint64 { return step(20, end) }

func main() {
	ms, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(2)
	}
	end := time.Now().Add(time.Duration(ms) * time.Millisecond)
	done := make(chan uint64)
	go func() { done <- begin(end) }()
	sink += begin(end)
	sink += <-done
}
