"""The shop: brings the strangers together (catalog, payments, campaign) and shows every face to the outside."""
