package hubspot

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// wireStatus is one status, narrow or wide; types differ between HubSpot's copies of the description.
type wireStatus struct {
	Address        looseText `json:"subscriberIdString"`
	SubscriptionID looseText `json:"subscriptionId"`
	Status         looseText `json:"status"`
	Wide           looseText `json:"wideStatusType"`
	BusinessUnitID looseText `json:"businessUnitId"`
	At             looseTime `json:"timestamp"`
	Reason         looseText `json:"setStatusSuccessReason"`
	Source         looseText `json:"source"`
}

func (f filter) status(w wireStatus) SubscriptionStatus {
	return SubscriptionStatus{
		Address: string(w.Address), SubscriptionID: number(w.SubscriptionID), Status: f.word(w.Status), Wide: f.word(w.Wide),
		BusinessUnitID: number(w.BusinessUnitID), At: time.Time(w.At), Reason: f.word(w.Reason), Source: string(w.Source),
	}
}

// statuses reads the results of a single answer. They must be a list of objects: what cannot be read is not "no
// status".
func (f filter) statuses(body []byte) ([]SubscriptionStatus, error) {
	var wire struct {
		Results *[]wireStatus `json:"results"`
	}
	if json.Unmarshal(body, &wire) != nil || wire.Results == nil {
		return nil, errGarbled
	}
	list := make([]SubscriptionStatus, 0, len(*wire.Results))
	for _, w := range *wire.Results {
		list = append(list, f.status(w))
	}
	return list, nil
}

// consentBatch reads a batch answer. Results are statuses, or one object an address with its statuses in it.
func (f filter) consentBatch(body []byte, addresses []string) (*ConsentBatch, error) {
	if !json.Valid(body) {
		return nil, errGarbled
	}
	var wire struct {
		Results looseList[struct {
			wireStatus
			Statuses looseList[wireStatus] `json:"statuses"`
		}] `json:"results"`
		Errors looseList[json.RawMessage] `json:"errors"`
	}
	if json.Unmarshal(body, &wire) != nil {
		return nil, errGarbled
	}
	batch := &ConsentBatch{}
	for _, r := range wire.Results {
		if r.Status != "" {
			batch.Results = append(batch.Results, f.status(r.wireStatus))
		}
		for _, w := range r.Statuses {
			if w.Address == "" {
				w.Address = r.Address
			}
			batch.Results = append(batch.Results, f.status(w))
		}
	}
	for _, raw := range wire.Errors {
		var e wireError
		if json.Unmarshal(raw, &e) == nil {
			batch.Errors = append(batch.Errors, BatchError{Category: f.word(e.Category), IDs: addressesIn(&e, addresses), Details: f.details(&e)})
		}
	}
	return batch, nil
}

// addressesIn finds the rows that an error is about: which key of its context names them is not documented, so every
// value that is an address of the request counts.
func addressesIn(e *wireError, addresses []string) []string {
	var found []string
	look := func(value string) {
		for _, a := range addresses {
			if sameAddress(a, value) && !slices.Contains(found, a) {
				found = append(found, a)
			}
		}
	}
	contexts := []looseMap{e.Context}
	for _, sub := range e.Errors {
		contexts = append(contexts, sub.Context)
	}
	look(string(e.ID))
	for _, context := range contexts {
		for _, list := range context {
			for _, value := range list {
				look(value)
			}
		}
	}
	slices.Sort(found)
	return found
}

// unproved is the error of a write that was answered with success and does not show it.
func (a *answer) unproved(op string) error {
	e := &Error{Op: op, Status: a.status, CorrelationID: a.correlationID, Sent: true, Err: errNoEvidence}
	var wire struct {
		Errors looseList[wireError] `json:"errors"`
	}
	if json.Unmarshal(a.body, &wire) != nil {
		e.Err = errGarbled
	} else if len(wire.Errors) > 0 {
		e.Category, e.SubCategory = a.filter.word(wire.Errors[0].Category), a.filter.word(wire.Errors[0].SubCategory)
		e.Details = a.filter.details(&wire.Errors[0])
	}
	return e
}

func decodeDefinitions(body []byte) ([]SubscriptionDefinition, error) {
	var wire struct {
		Results *[]struct {
			ID             looseText `json:"id"`
			Name           looseText `json:"name"`
			Active         looseText `json:"isActive"`
			Default        looseText `json:"isDefault"`
			Internal       looseText `json:"isInternal"`
			BusinessUnitID looseText `json:"businessUnitId"`
		} `json:"results"`
	}
	if json.Unmarshal(body, &wire) != nil || wire.Results == nil {
		return nil, errGarbled
	}
	list := make([]SubscriptionDefinition, 0, len(*wire.Results))
	for _, w := range *wire.Results {
		d := SubscriptionDefinition{ID: number(w.ID), Name: string(w.Name), Active: w.Active == "true", Default: w.Default == "true",
			Internal: w.Internal == "true", BusinessUnitID: number(w.BusinessUnitID)}
		if d.ID == 0 {
			return nil, errGarbled
		}
		list = append(list, d)
	}
	return list, nil
}

// number is 0 for what is no number.
func number(text looseText) int64 {
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}
