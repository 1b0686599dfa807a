package hubspot

import (
	"encoding/json"
	"strconv"
)

// decodePage reads a page of contacts. It is strict about what a scan would otherwise take for its end: the results
// must be a list of objects with ids, a search must say its total, and a paging object must hold the next cursor.
func decodePage(body []byte, search bool) (*Page, error) {
	var wire struct {
		Total   *looseText         `json:"total"`
		Results *[]json.RawMessage `json:"results"`
		Paging  json.RawMessage    `json:"paging"`
	}
	if json.Unmarshal(body, &wire) != nil || wire.Results == nil {
		return nil, errGarbled
	}
	page := &Page{}
	if search {
		if wire.Total == nil {
			return nil, errGarbled
		}
		total, err := strconv.Atoi(string(*wire.Total))
		if err != nil || total < len(*wire.Results) {
			return nil, errGarbled
		}
		page.Total = total
	} else {
		after, err := decodePaging(wire.Paging)
		if err != nil {
			return nil, err
		}
		page.After = after
	}
	page.Contacts = make([]Contact, 0, len(*wire.Results))
	for _, raw := range *wire.Results {
		one, err := decodeContact(raw)
		if err != nil {
			return nil, err
		}
		page.Contacts = append(page.Contacts, *one)
	}
	return page, nil
}

// decodePaging gives the cursor of the next page, "" when there is none.
func decodePaging(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var paging struct {
		Next *struct {
			After looseText `json:"after"`
		} `json:"next"`
	}
	if json.Unmarshal(raw, &paging) != nil || paging.Next != nil && paging.Next.After == "" {
		return "", errGarbled
	}
	if paging.Next == nil {
		return "", nil
	}
	return string(paging.Next.After), nil
}
