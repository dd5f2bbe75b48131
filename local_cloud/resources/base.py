"""The part that all our resource types share.

moto finds types among the DIRECT subclasses of CloudFormationModel: each class names it as a base of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar


class LocalResource:
    """Mixin: a subclass says its type and how it is created, and gets the rest of moto's protocol."""

    TYPE: ClassVar[str]
    NAME_PROPERTY: ClassVar[str] = ""
    ATTRIBUTES: ClassVar[frozenset[str]] = frozenset()
    """What Fn::GetAtt may ask for, beyond a constructor's `attributes`."""

    def __init__(
        self, physical_id: str, properties: dict[str, Any], attributes: dict[str, Any] | None = None
    ) -> None:
        self._physical_id = physical_id
        self.type = self.TYPE
        self.properties = properties
        self.attributes = attributes or {}

    @property
    def physical_resource_id(self) -> str:
        return self._physical_id

    @classmethod
    def cloudformation_name_type(cls) -> str:
        return cls.NAME_PROPERTY

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.TYPE

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr in cls.ATTRIBUTES

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        if attribute_name not in self.attributes:
            raise ValueError(f"local_cloud does not know Fn::GetAtt {attribute_name} of {self.TYPE}")
        return self.attributes[attribute_name]

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> LocalResource:
        return cls.create(resource_name, cloudformation_json["Properties"], account_id, region_name)

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], account: str, region: str) -> LocalResource:
        """Make the resource in the service's backend."""
        raise NotImplementedError

    @classmethod
    def update_from_cloudformation_json(cls, *_: Any, **__: Any) -> LocalResource:
        raise NotImplementedError(f"local_cloud deploys a stack afresh: it does not update {cls.TYPE}")

    @classmethod
    def delete_from_cloudformation_json(cls, *_: Any, **__: Any) -> None:
        """The cloud's state goes with its process."""

    def is_created(self) -> bool:
        return True


def native(value: Any) -> Any:
    """CloudFormation may hand over booleans and whole numbers as text; the APIs want the real thing."""
    if isinstance(value, dict):
        return {key: native(member) for key, member in value.items()}
    if isinstance(value, list):
        return [native(member) for member in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
