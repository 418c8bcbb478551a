"""Charges and bills; pure. The book itself lies in the gateway's database."""

from .bill import BilledLease, make_bill
from .charges import Account, Entry, income_account, next_charge, price, user_account

__all__ = [
    "Account",
    "BilledLease",
    "Entry",
    "income_account",
    "make_bill",
    "next_charge",
    "price",
    "user_account",
]
