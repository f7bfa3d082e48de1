// SPDX-License-Identifier: MIT

// Command heap writes a heap profile of itself, as Go's runtime makes it, to the file that it is told.
package main

import (
	"log"
	"os"
	"runtime"
	"runtime/pprof"
)

type node struct {
	next *node
	data []byte
}

var kept []*node

func chain(depth, size int) *node {
	if depth == 0 {
		return nil
	}
	return &node{chain(depth-1, size), make([]byte, size)}
}

func main() {
	runtime.MemProfileRate = 1
	for size := 1; size < 5000; size *= 4 {
		kept = append(kept, chain(12, size))
	}
	kept = kept[2:]
	runtime.GC()
	file, err := os.Create(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := pprof.Lookup("heap").WriteTo(file, 0); err != nil {
		log.Fatal(err)
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}
