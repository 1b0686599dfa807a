package hubspot

import (
	"context"
	"errors"
	"net/url"

	"leadsync/internal/lead"
)

// maxNames bounds the names of properties in one address, in bytes as they stand there. HubSpot answers a long address
// with 414 and gives no figure; one connector cuts at 5 KiB (https://github.com/airbytehq/airbyte/issues/3977, read
// 2026-11-22).
const maxNames = 4 << 10

// A read whose answer is over 16 MiB is asked for again in smaller parts, until one contact with one property is left:
// contacts with long texts cost requests, and never stop a reader.

// searchLighter searches for fewer contacts while the answer is too large, and then for fewer properties, the last of
// the list first.
func (c *Client) searchLighter(ctx context.Context, r SearchRequest, limit int) (*Page, error) {
	for {
		page, err := c.search(ctx, r, limit)
		switch {
		case err == nil:
			page.Limit = limit
			return page, nil
		case !errors.Is(err, ErrAnswerTooLarge):
			return nil, err
		case limit > 1:
			limit /= 2
		case len(r.Properties) > 1:
			r.Properties = r.Properties[:len(r.Properties)/2]
		default:
			return nil, err
		}
	}
}

// readLighter reads the contacts in two halves when the answer is too large, and one contact's properties in two
// halves.
func (c *Client) readLighter(ctx context.Context, r ReadRequest) (*BatchResult, error) {
	all, err := c.readAtOnce(ctx, r)
	if !errors.Is(err, ErrAnswerTooLarge) || len(r.IDs) < 2 && len(r.Properties) < 2 {
		return all, err
	}
	first, second := r, r
	if n := len(r.IDs) / 2; n > 0 {
		first.IDs, second.IDs = r.IDs[:n], r.IDs[n:]
	} else {
		n = len(r.Properties) / 2
		first.Properties, second.Properties = r.Properties[:n], r.Properties[n:]
		first.History, second.History = among(r.History, first.Properties), among(r.History, second.Properties)
	}
	all = nil
	for _, part := range []ReadRequest{first, second} {
		res, err := c.readLighter(ctx, part)
		if len(r.IDs) > 1 && Classify(asNotFound(err)) == ClassNotFound {
			continue // none of these
		}
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = res
			continue
		}
		all.add(res)
	}
	if all == nil {
		return nil, &Error{Op: OpBatchRead, Err: ErrNotFound}
	}
	return all, nil
}

// add takes in the answer to another part of one question.
func (b *BatchResult) add(other *BatchResult) {
	for i := range other.Results {
		more := &other.Results[i]
		known := false
		for j := range b.Results {
			if have := &b.Results[j]; have.ID != "" && have.ID == more.ID {
				known = true
				have.take(more)
			}
		}
		if !known {
			b.Results = append(b.Results, *more)
		}
	}
	b.Errors = append(b.Errors, other.Errors...)
	b.Status = max(b.Status, other.Status)
	if b.Date.IsZero() || !other.Date.IsZero() && other.Date.Before(b.Date) {
		b.Date = other.Date // the contacts are at least as fresh
	}
}

// take adds properties that a second answer shows of the same contact.
func (c *Contact) take(more *Contact) {
	for name, value := range more.Properties {
		if c.Properties == nil {
			c.Properties = map[string]*string{}
		}
		c.Properties[name] = value
	}
	for name, values := range more.History {
		if c.History == nil {
			c.History = map[string][]Revision{}
		}
		c.History[name] = values
	}
}

func among(names, of []string) (out []string) {
	for _, n := range names {
		for _, o := range of {
			if n == o {
				out = append(out, n)
			}
		}
	}
	return out
}

// inAddresses cuts a list of properties into parts whose names fit into an address. No properties are one part.
func inAddresses(properties []string) (parts [][]string) {
	var part []string
	size := 0
	for _, name := range properties {
		cost := len(url.QueryEscape(name)) + len("%2C")
		if size+cost > maxNames && len(part) > 0 {
			parts, part, size = append(parts, part), nil, 0
		}
		part, size = append(part, name), size+cost
	}
	return append(parts, part)
}

// contactInParts reads a contact by as many requests as its properties need: by the length of the address, and by that
// of the answer. History of merges: when two answers are about two contacts, it was merged in between, and the survivor
// is read anew.
func (c *Client) contactInParts(ctx context.Context, id lead.ContactID, properties []string, archived bool) (*Contact, error) {
	parts := inAddresses(properties)
	var whole *Contact
	for len(parts) > 0 {
		part := parts[0]
		one, err := c.contact(ctx, id, part, archived)
		if errors.Is(err, ErrAnswerTooLarge) && len(part) > 1 {
			parts = append([][]string{part[:len(part)/2], part[len(part)/2:]}, parts[1:]...)
			continue
		}
		if err != nil {
			return nil, err
		}
		switch {
		case whole == nil:
			whole = one
		case whole.ID == one.ID:
			whole.take(one)
		default:
			return nil, &Error{Op: OpContact, Sent: true, Err: errMergedMeanwhile}
		}
		parts = parts[1:]
	}
	return whole, nil
}

// errMergedMeanwhile passes: the next reading is of the survivor alone.
var errMergedMeanwhile = errors.New("the contact was merged while it was read")
