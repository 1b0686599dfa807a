package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"leadsync/internal/lead"
	"leadsync/internal/store"
)

// contactFlags are an operator's words about contacts for one delete or erase. They go into leadsync's own table: what
// stands in the row may be the application's.
type contactFlags struct{ also, leave []string }

func (f *contactFlags) flags(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.also, "also", nil, "contacts to take along: you know that they are the lead's")
	c.Flags().StringSliceVar(&f.leave, "leave", nil, "contacts to leave alone: you know that they are somebody else's")
}

func (f *contactFlags) given() bool { return len(f.also)+len(f.leave) > 0 }

func (f *contactFlags) said() ([]store.ContactWord, error) {
	var said []store.ContactWord
	seen := map[string]bool{}
	for i, id := range append(append([]string(nil), f.also...), f.leave...) {
		switch {
		case id == "" || len(id) > 20 || strings.Trim(id, "0123456789") != "":
			return nil, &exitError{exitUsage, errors.New("--also and --leave want contact ids: numbers, as the row's note names them")}
		case seen[id]:
			return nil, &exitError{exitUsage, fmt.Errorf("contact %s is named twice", id)}
		}
		seen[id] = true
		said = append(said, store.ContactWord{Contact: lead.ContactID(id), Also: i < len(f.also)})
	}
	return said, nil
}
