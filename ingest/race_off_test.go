//go:build !race

package ingest_test

const raceMemory = 1
