package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Who is whom the server takes the caller for.
type Who struct {
	TenantID string `json:"tenant_id"`
	Tenant   string `json:"tenant"` // slug
}

// Key is an API key as the server tells of it.
type Key struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Hint        string              `json:"hint"`
	Profile     string              `json:"profile"`
	State       string              `json:"state"`
	Scopes      []string            `json:"scopes"`
	Permissions map[string][]string `json:"permissions"`
	AllowedIPs  []string            `json:"allowed_ips"`
	Owner       string              `json:"owner"`
	Service     bool                `json:"service"`
	CreatedAt   time.Time           `json:"created_at"`
	ExpiresAt   *time.Time          `json:"expires_at"` // nil: never
	LastUsedAt  *time.Time          `json:"last_used_at"`
	RotateAt    *time.Time          `json:"rotate_at"`
	Predecessor string              `json:"predecessor"`
	Successor   string              `json:"successor"`
	WebhookURL  string              `json:"webhook_url"`
	// JSON is all that the server said, as it said it.
	JSON json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the JSON beside what it says.
func (k *Key) UnmarshalJSON(raw []byte) error {
	type plainKey Key
	if err := json.Unmarshal(raw, (*plainKey)(k)); err != nil {
		return err
	}
	k.JSON = append(json.RawMessage(nil), raw...)
	return nil
}

// MarshalJSON is the JSON that came.
func (k Key) MarshalJSON() ([]byte, error) { return k.JSON, nil }

// Issued is a key with what is told once.
type Issued struct {
	Key
	Secret        string
	WebhookSecret string     // "" when there is no webhook
	OldEndsAt     *time.Time // of a successor: when its predecessor stops working
}

// UnmarshalJSON reads what is told once beside the key.
func (i *Issued) UnmarshalJSON(raw []byte) error {
	var once struct {
		Secret        string     `json:"secret"`
		WebhookSecret string     `json:"webhook_secret"`
		OldEndsAt     *time.Time `json:"old_ends_at"`
	}
	if err := json.Unmarshal(raw, &once); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &i.Key); err != nil {
		return err
	}
	if once.Secret == "" || i.ID == "" {
		return errors.New("a key without id or secret")
	}
	i.Secret, i.WebhookSecret, i.OldEndsAt = once.Secret, once.WebhookSecret, once.OldEndsAt
	return nil
}

// String keeps the secret out of whatever prints an Issued.
func (i Issued) String() string { return i.Key.ID }

// GoString is String for %#v.
func (i Issued) GoString() string { return i.Key.ID }

// NewKey is the body of a request for a key; what is left out is the profile's.
type NewKey struct {
	Name       string   `json:"name"`
	Profile    string   `json:"profile,omitempty"`
	Scopes     []string `json:"scopes,omitempty"`
	ExpiresIn  string   `json:"expires_in,omitempty"` // 720h, 90d, 6mo, 1y, never
	AllowedIPs []string `json:"allowed_ips,omitempty"`
	Service    bool     `json:"service,omitempty"`
	WebhookURL string   `json:"webhook_url,omitempty"`
}

// Filter says which keys are listed; a zero field leaves all in.
type Filter struct {
	Owner   string // a user's id, or me
	Profile string
	State   string // live, expired, revoked
}

// Usage is how a key was used.
type Usage struct {
	ID         string      `json:"id"`
	Since      string      `json:"since"` // the first day, UTC
	LastUsedAt *time.Time  `json:"last_used_at"`
	Calls      int64       `json:"calls"`
	Refused    int64       `json:"refused"`
	Addresses  []UsedCount `json:"addresses"`
	Scopes     []UsedCount `json:"scopes"`
	Refusals   []UsedCount `json:"refusals"`
	Days       []UsedOnDay `json:"days"`
}

// UsedCount is how often a key was used in one way.
type UsedCount struct {
	What   string    `json:"what"`
	Calls  int64     `json:"calls"`
	LastAt time.Time `json:"last_at"`
}

// UsedOnDay is how often a key was used on one day.
type UsedOnDay struct {
	Day     string `json:"day"`
	Calls   int64  `json:"calls"`
	Refused int64  `json:"refused"`
}

const keysPath = "/v1/auth/keys"

func keyPath(id string, more string) string { return keysPath + "/" + url.PathEscape(id) + more }

// whoami asks whom an access token stands for.
func (c *Client) whoami(ctx context.Context, access string) (Who, error) {
	who, err := read[Who](c.insist(ctx, request{method: http.MethodGet, path: "/v1/auth/whoami"}, access))
	if err == nil && (who.TenantID == "" || who.Tenant == "") {
		err = errors.New("the server does not say for which tenant the sign-in is")
	}
	return who, err
}

// Create makes a key. All the methods for keys return a [*Problem] for what the
// server refuses.
func (c *Client) Create(ctx context.Context, k NewKey) (Issued, error) {
	return read[Issued](c.call(ctx, request{method: http.MethodPost, path: keysPath, body: k, once: newID()}))
}

// Key returns one key.
func (c *Client) Key(ctx context.Context, id string) (Key, error) {
	return read[Key](c.call(ctx, request{method: http.MethodGet, path: keyPath(id, "")}))
}

// Rotate makes a successor. grace is how long the old key works beside it: 72h, 3d,
// 0s; "" is as its profile has it.
func (c *Client) Rotate(ctx context.Context, id, grace string) (Issued, error) {
	body := struct {
		Grace string `json:"grace,omitempty"`
	}{grace}
	return read[Issued](c.call(ctx, request{method: http.MethodPost, path: keyPath(id, "/rotate"), body: body, once: newID()}))
}

// Reveal returns the secret of a key again, where its profile allows that.
func (c *Client) Reveal(ctx context.Context, id string) (string, error) {
	shown, err := read[struct {
		Secret string `json:"secret"`
	}](c.call(ctx, request{method: http.MethodPost, path: keyPath(id, "/reveal")}))
	if err == nil && shown.Secret == "" {
		err = errors.New("the server answers without a secret")
	}
	return shown.Secret, err
}

// Revoke ends a key and all that depends on it.
func (c *Client) Revoke(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: keyPath(id, "")})
	return err
}

// Usage returns how a key was used since a day (2006-01-02, UTC; "": as far back as
// is kept).
func (c *Client) Usage(ctx context.Context, id, since string) (Usage, error) {
	path := keyPath(id, "/usage")
	if since != "" {
		path += "?since=" + url.QueryEscape(since)
	}
	return read[Usage](c.call(ctx, request{method: http.MethodGet, path: path}))
}

// pageSize is the most that a page has.
const pageSize = 100

// Keys returns the newest keys, at most so many; more says that there are others.
func (c *Client) Keys(ctx context.Context, f Filter, most int) (keys []Key, more bool, err error) {
	query := url.Values{"limit": {strconv.Itoa(min(most, pageSize))}}
	for name, value := range map[string]string{"owner": f.Owner, "profile": f.Profile, "state": f.State} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for {
		page, err := read[keyPage](c.call(ctx, request{method: http.MethodGet, path: keysPath + "?" + query.Encode()}))
		if err != nil {
			return nil, false, err
		}
		keys = append(keys, page.Items...)
		if len(keys) >= most {
			return keys[:most], len(keys) > most || page.Next != "", nil
		}
		if page.Next == "" || len(page.Items) == 0 {
			return keys, false, nil
		}
		query.Set("cursor", page.Next)
	}
}

// keyPage is one page of a list.
type keyPage struct {
	Items []Key  `json:"items"`
	Next  string `json:"next_cursor"` // "" on the last page
}
