//! Tower layers between a verified caller and a signed request.
