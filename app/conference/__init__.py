"""The joint conference (联席会议): its list of what one office alone can't settle, and the outcomes that come back."""
