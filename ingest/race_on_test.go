//go:build race

package ingest_test

// raceMemory is how many times as much memory a program takes under the race detector.
const raceMemory = 3
