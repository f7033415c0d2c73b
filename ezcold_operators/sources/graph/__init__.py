"""Microsoft 365 mail by Microsoft Graph: sign-in, requests, folders, changes, downloads, acknowledgements."""
